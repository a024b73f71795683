//! keyboard
