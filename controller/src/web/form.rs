//! Fields that a browser sends, in a form or in a query: each once, in a body of bounded length and time.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::header::CONTENT_TYPE,
};
use url::form_urlencoded;

use super::turnaway::Turnaway;

/// The longest body that is read, in bytes.
const LONGEST: usize = 16 * 1024;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fields by name, percent-decoded. No `Debug`: they may be secrets.
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The fields of a query. Never fails: what is no field is an empty one.
    #[must_use]
    pub fn of_query(query: Option<&str>) -> Self {
        Self::read(query.unwrap_or_default().as_bytes())
    }

    fn read(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// Reads the form in the body of a request.
    ///
    /// # Errors
    /// [`Turnaway::NoForm`] if it is none or does not arrive within 10 seconds, [`Turnaway::LongBody`] over 16 KiB.
    pub async fn of_body(request: Request) -> Result<Self, Turnaway> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Turnaway::NoForm);
        }
        let declared =
            parts.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| LONGEST < length) {
            return Err(Turnaway::LongBody);
        }
        Ok(Self::read(&collect(body).await?))
    }

    /// The value of a field. `None` if it is missing or given more than once.
    #[must_use]
    pub fn sole(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }

    /// Whether a field is given at all.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

async fn collect(body: Body) -> Result<Vec<u8>, Turnaway> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, LONGEST)).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(error)) if is_length(&error) => Err(Turnaway::LongBody),
        Ok(Err(_)) | Err(_) => Err(Turnaway::NoForm),
    }
}

/// Whether the limit of [`to_bytes`] was reached, which is told by a cause of the error alone.
fn is_length(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_field_counts_if_it_is_given_once() {
        let fields = Fields::of_query(Some("key=a%20b&state=1&state=2&empty"));
        assert_eq!(fields.sole("key"), Some("a b"));
        assert_eq!(fields.sole("empty"), Some(""));
        assert_eq!(fields.sole("state"), None, "given twice");
        assert_eq!(fields.sole("other"), None);
        assert!(fields.has("state") && !fields.has("other"));
    }

    fn request(kind: &str, body: Body) -> Request {
        Request::builder().header(CONTENT_TYPE, kind).body(body).unwrap()
    }

    #[rstest]
    #[case::form("application/x-www-form-urlencoded", "key=k", Ok("k"))]
    #[case::with_charset("Application/X-WWW-Form-Urlencoded; charset=utf-8", "key=k", Ok("k"))]
    #[case::json("application/json", "{}", Err(StatusCode::BAD_REQUEST))]
    #[case::parts("multipart/form-data; boundary=x", "--x--", Err(StatusCode::BAD_REQUEST))]
    #[tokio::test]
    async fn only_a_form_is_read(#[case] kind: &str, #[case] body: &str, #[case] key: Result<&str, StatusCode>) {
        let read = Fields::of_body(request(kind, Body::from(body.to_owned()))).await;
        let key = key.map(|key| Some(key.to_owned()));
        assert_eq!(read.map(|fields| fields.sole("key").map(str::to_owned)).map_err(Turnaway::status), key);
    }

    #[rstest]
    #[case::declared(true)]
    #[case::in_chunks(false)]
    #[tokio::test]
    async fn a_long_body_is_not_read(#[case] declared: bool) {
        let text = "a".repeat(LONGEST + 1);
        let body = if declared {
            Body::from(text)
        } else {
            Body::from_stream(futures::stream::iter([Ok::<_, std::io::Error>(text)]))
        };
        let read = Fields::of_body(request("application/x-www-form-urlencoded", body)).await;
        assert_eq!(read.err(), Some(Turnaway::LongBody));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_not_waited_for() {
        let body = Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>());
        let read = Fields::of_body(request("application/x-www-form-urlencoded", body)).await;
        assert_eq!(read.err(), Some(Turnaway::NoForm));
    }
}
