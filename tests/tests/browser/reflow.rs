//! reflow
