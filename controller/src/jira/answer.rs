//! One HTTP answer, read as far as the operator reads.

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::problem::{Gibberish, Problem};

/// One HTTP answer. Has no `Debug`: the body may hold tokens.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What a body is, by its content type, or by its first bytes where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Html,
    Other,
}

impl Answer {
    /// The body as the answer that was due.
    ///
    /// # Errors
    /// [`Gibberish::Content`] where it is not.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|_| Problem::NotJira(Gibberish::Content))
    }

    /// The body as a JSON object; empty where it is none.
    pub(super) fn object(&self) -> Map<String, Value> {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The header's value; `None` where it is absent or no text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether any of the headers of this name contains the word, in whatever case.
    pub(super) fn says(&self, name: &str, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        let values = self.headers.get_all(name).iter();
        values.filter_map(|it| it.to_str().ok()).any(|it| it.to_ascii_lowercase().contains(&word))
    }

    pub(super) fn media(&self) -> Media {
        let Some(declared) = self.header(CONTENT_TYPE.as_str()) else {
            return self.media_of_body();
        };
        let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => Media::Json,
            "text/html" | "application/xhtml+xml" => Media::Html,
            it if it.ends_with("+json") => Media::Json,
            _ => Media::Other,
        }
    }

    fn media_of_body(&self) -> Media {
        let body = self.body.trim_ascii_start();
        match body.first() {
            Some(b'{' | b'[') => Media::Json,
            Some(b'<') => Media::Html,
            _ => Media::Other,
        }
    }
}
