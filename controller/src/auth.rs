//! Grants that need a person: how one is asked for, kept, renewed and ended.

pub mod authorization_secret;
pub mod grant;
pub mod grant_secret;
pub mod keeping;
pub mod key_pair;
pub mod oauth1;
pub mod pkce;
