//! Reader of the API server's audit log: who asked for what, with what result.

use std::{
    io::{self, SeekFrom},
    path::{Path, PathBuf},
};

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::MicroTime, jiff::Timestamp};
use serde::Deserialize;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

/// Failure to read the audit log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be read.
    #[error("cannot read the audit log {}", path.display())]
    Read {
        /// The audit log.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A line is not an event of `audit.k8s.io/v1`.
    #[error("the audit log holds a line that is no audit event: {line}")]
    Line {
        /// The line as it stands in the file.
        line: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// A place in the audit log. The default is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditMark(u64);

/// The audit log of one control plane, which holds every request except probes and those of the control plane for its own leases.
///
/// A watch is one event, written when it starts; every other request is one event, written right after its response. A reader
/// that is told of a response by its client can be a moment ahead of the log.
#[derive(Clone, Debug)]
pub struct Audit {
    path: PathBuf,
}

/// One request to the API server, from an event of `audit.k8s.io/v1`
/// (<https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/>).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Event")]
pub struct AuditEvent {
    /// The authenticated user, such as `system:serviceaccount:NAMESPACE:NAME`.
    pub user: String,
    /// The verb that was authorized, such as `get`, `list`, `watch`, `create`, `patch`; the lower-case HTTP method for a
    /// request that names no resource.
    pub verb: String,
    /// Path and query of the request.
    pub uri: String,
    /// API group of the resource; empty for the core group and for requests that name no resource.
    pub group: String,
    /// Plural of the resource. Absent for requests that name no resource, such as discovery.
    pub resource: Option<String>,
    /// Subresource, such as `status`. Absent when the resource itself was asked for.
    pub subresource: Option<String>,
    /// Namespace of the request. Absent for cluster-scoped requests.
    pub namespace: Option<String>,
    /// Name of the object. Absent for requests on collections.
    pub name: Option<String>,
    /// HTTP status of the response. Absent when the connection ended before there was one.
    pub code: Option<u16>,
    /// The `User-Agent` header. Absent when the client sent none.
    pub user_agent: Option<String>,
    /// When the API server received the request.
    pub received: Timestamp,
}

impl AuditEvent {
    /// Whether a service account made the request.
    #[must_use]
    pub fn is_by_service_account(&self, namespace: &str, name: &str) -> bool {
        self.user == format!("system:serviceaccount:{namespace}:{name}")
    }
}

impl Audit {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file with one JSON event a line.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The present end of the log.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub async fn mark(&self) -> Result<AuditMark, AuditError> {
        let metadata = tokio::fs::metadata(&self.path).await.map_err(|source| self.read_error(source))?;
        Ok(AuditMark(metadata.len()))
    }

    /// The events that were written after a mark, oldest first. A line that is still being written is left for the next call.
    ///
    /// # Errors
    ///
    /// When the log cannot be read or holds something that is no event.
    pub async fn since(&self, mark: AuditMark) -> Result<Vec<AuditEvent>, AuditError> {
        let text = self.text_since(mark).await.map_err(|source| self.read_error(source))?;
        events(&text)
    }

    async fn text_since(&self, mark: AuditMark) -> io::Result<Vec<u8>> {
        let mut file = File::open(&self.path).await?;
        let mut text = Vec::new();
        if mark.0 == 0 {
            file.read_to_end(&mut text).await?;
            return Ok(text);
        }
        // From the last byte before the mark: what goes up to the next end of a line began before the mark.
        file.seek(SeekFrom::Start(mark.0 - 1)).await?;
        file.read_to_end(&mut text).await?;
        let begun_before = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
        Ok(text.split_off(begun_before))
    }

    fn read_error(&self, source: io::Error) -> AuditError {
        AuditError::Read { path: self.path.clone(), source }
    }
}

fn events(text: &[u8]) -> Result<Vec<AuditEvent>, AuditError> {
    let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    text[..complete]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            serde_json::from_slice(line)
                .map_err(|source| AuditError::Line { line: String::from_utf8_lossy(line).into_owned(), source })
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "requestURI")]
    request_uri: String,
    verb: String,
    user: User,
    user_agent: Option<String>,
    #[serde(default)]
    object_ref: ObjectReference,
    response_status: Option<ResponseStatus>,
    request_received_timestamp: MicroTime,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectReference {
    #[serde(default)]
    api_group: String,
    resource: Option<String>,
    subresource: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct ResponseStatus {
    code: Option<u16>,
}

impl From<Event> for AuditEvent {
    fn from(event: Event) -> Self {
        Self {
            user: event.user.username,
            verb: event.verb,
            uri: event.request_uri,
            group: event.object_ref.api_group,
            resource: event.object_ref.resource,
            subresource: event.object_ref.subresource,
            namespace: event.object_ref.namespace,
            name: event.object_ref.name,
            code: event.response_status.and_then(|status| status.code),
            user_agent: event.user_agent,
            received: event.request_received_timestamp.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LINE: &str = concat!(
        r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"1","stage":"ResponseComplete","#,
        r#""requestURI":"/apis/apps/v1/namespaces/a/deployments/b/status","verb":"patch","#,
        r#""user":{"username":"system:serviceaccount:a:operator"},"userAgent":"operator/1","#,
        r#""objectRef":{"resource":"deployments","subresource":"status","namespace":"a","name":"b","apiGroup":"apps"},"#,
        r#""responseStatus":{"metadata":{},"code":200},"requestReceivedTimestamp":"2026-01-02T03:04:05.000006Z","#,
        r#""stageTimestamp":"2026-01-02T03:04:05.100006Z"}"#,
    );

    #[test]
    fn an_event_says_who_asked_for_what_with_what_result() {
        let events = events(format!("{LINE}\n").as_bytes()).unwrap();
        let expected = AuditEvent {
            user: "system:serviceaccount:a:operator".to_owned(),
            verb: "patch".to_owned(),
            uri: "/apis/apps/v1/namespaces/a/deployments/b/status".to_owned(),
            group: "apps".to_owned(),
            resource: Some("deployments".to_owned()),
            subresource: Some("status".to_owned()),
            namespace: Some("a".to_owned()),
            name: Some("b".to_owned()),
            code: Some(200),
            user_agent: Some("operator/1".to_owned()),
            received: "2026-01-02T03:04:05.000006Z".parse().unwrap(),
        };
        assert_eq!(events, [expected]);
        assert!(events[0].is_by_service_account("a", "operator"));
        assert!(!events[0].is_by_service_account("a", "other"));
    }

    #[test]
    fn a_line_that_is_still_being_written_is_left_for_later() {
        let text = format!("{LINE}\n{}", &LINE[..40]);
        assert_eq!(events(text.as_bytes()).unwrap().len(), 1);
    }

    #[rstest]
    #[case::the_beginning(0, &["a", "b"])]
    #[case::within_the_first_line(10, &["b"])]
    #[case::between_the_lines(LINE.len() + 1, &["b"])]
    #[case::the_end(2 * (LINE.len() + 1), &[])]
    #[tokio::test]
    async fn a_mark_leaves_out_what_began_before_it(#[case] mark: usize, #[case] names: &[&str]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let first = LINE.replace(r#""name":"b""#, r#""name":"a""#);
        std::fs::write(file.path(), format!("{first}\n{LINE}\n")).unwrap();
        let audit = Audit::new(file.path().to_owned());
        let events = audit.since(AuditMark(u64::try_from(mark).unwrap())).await.unwrap();
        let found: Vec<_> = events.iter().filter_map(|event| event.name.as_deref()).collect();
        assert_eq!(found, names);
        assert_eq!(audit.since(audit.mark().await.unwrap()).await.unwrap(), []);
    }

    #[test]
    fn a_line_that_is_no_event_is_an_error() {
        assert!(matches!(events(b"{}\n"), Err(AuditError::Line { line, .. }) if line == "{}"));
    }
}
