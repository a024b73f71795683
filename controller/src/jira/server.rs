//! What a Jira says about itself.

use k8s_openapi::jiff::{Timestamp, fmt::strtime};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{
    Jira,
    answer::Answer,
    classify::is_same_site,
    cloud_id::CloudId,
    endpoint::Endpoint,
    problem::{Gibberish, Problem},
    text::clean,
};

/// The two kinds of Jira.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deployment {
    /// Atlassian's own.
    Cloud,
    /// Jira Data Center, or the older Jira Server. Both say `Server`.
    DataCenter,
}

/// What a Jira says about itself, to anybody who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Cloud or Data Center.
    pub deployment: Deployment,
    /// Version of Jira. On Cloud it says nothing.
    pub version: Version,
    /// The base URL that an administrator configured, cleaned; `None` where it is not given.
    pub base_url: Option<String>,
    /// Jira's clock when it answered; `None` where it is absent or unreadable.
    pub server_time: Option<Timestamp>,
}

/// A version of Jira, such as `10.3.19`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The numbers, most significant first. Empty where the version is no number at all.
    pub numbers: Vec<u64>,
    /// The version as Jira writes it, cleaned: `10.3.19`, `9.0.0-m0009`, `1001.0.0-SNAPSHOT`.
    pub text: String,
}

impl Version {
    /// Whether this version is the given one or a later one; numbers that are absent count as 0.
    #[must_use]
    pub fn is_at_least(&self, numbers: &[u64]) -> bool {
        let length = self.numbers.len().max(numbers.len());
        let padded = |it: &[u64]| it.iter().copied().chain(std::iter::repeat(0)).take(length).collect::<Vec<_>>();
        padded(numbers) <= padded(&self.numbers)
    }
}

impl Jira {
    /// Asks the site what it is, without a credential: `GET /rest/api/2/serverInfo`, which both deployments have.
    ///
    /// # Errors
    /// [`Problem::WrongSite`] where a Data Center gives a base URL that differs from the site in scheme, host, port or
    /// context path. On Cloud the two may differ, as a site has a custom domain besides its own.
    /// [`Problem::NotJira`] where the answer lacks what every Jira says. Else any [`Problem`] of an exchange.
    pub async fn server(&self) -> Result<Server, Problem> {
        let server = parse(&self.discover(Endpoint::ServerInfo).await?)?;
        match (server.deployment, &server.base_url) {
            (Deployment::DataCenter, Some(base_url)) if !is_same_site(self.site(), base_url) => {
                Err(Problem::WrongSite { reported: server.base_url.filter(|it| is_address(it)) })
            }
            (Deployment::DataCenter | Deployment::Cloud, _) => Ok(server),
        }
    }

    /// Asks a Cloud site for its id, without a credential: `GET /_edge/tenant_info`.
    ///
    /// # Errors
    /// [`Problem::NotJira`] where the site is not on Cloud, or the id is no UUID. Else any [`Problem`] of an exchange.
    pub async fn cloud_id(&self) -> Result<CloudId, Problem> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct TenantInfo {
            cloud_id: String,
        }
        let TenantInfo { cloud_id } = self.discover(Endpoint::TenantInfo).await?.read()?;
        cloud_id.parse().map_err(|_| Problem::NotJira(Gibberish::Content))
    }
}

/// All optional: Atlassian's own description of the answer contradicts its example.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServerInfo {
    base_url: Option<String>,
    version: Option<String>,
    version_numbers: Option<Value>,
    deployment_type: Option<String>,
    server_time: Option<String>,
}

fn parse(answer: &Answer) -> Result<Server, Problem> {
    let it: ServerInfo = answer.read()?;
    let text = it.version.as_deref().map(clean).filter(|it| !it.is_empty());
    let text = text.ok_or(Problem::NotJira(Gibberish::Content))?;
    // Servers of before Cloud existed do not say what they are.
    let deployment = match it.deployment_type.as_deref() {
        Some("Cloud") => Deployment::Cloud,
        Some(_) | None => Deployment::DataCenter,
    };
    Ok(Server {
        deployment,
        version: Version { numbers: numbers(it.version_numbers.as_ref(), &text), text },
        base_url: it.base_url.as_deref().map(clean).filter(|it| !it.is_empty()),
        server_time: it.server_time.as_deref().and_then(time),
    })
}

/// Whether a text is the address of a site and no more, so that it can be shown: it comes from whoever answers.
fn is_address(text: &str) -> bool {
    let plain = !text.contains([' ', '@', '?', '#']);
    plain && Url::parse(text).is_ok_and(|it| matches!(it.scheme(), "http" | "https") && it.has_host())
}

/// The numbers that Jira lists, or those at the beginning of the version's text.
fn numbers(listed: Option<&Value>, text: &str) -> Vec<u64> {
    let listed = listed.and_then(Value::as_array).into_iter().flatten().map_while(Value::as_u64);
    let listed: Vec<u64> = listed.take(8).collect();
    if !listed.is_empty() {
        return listed;
    }
    text.split('.').map_while(|it| it.parse().ok()).collect()
}

/// `2026-09-04T16:07:42.487-0700`; the offset has no colon, so it is not RFC 3339.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let parsed = strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).and_then(|it| it.to_timestamp());
    parsed.or_else(|_| text.parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::{Answer, Deployment, Gibberish, Problem, Version, is_address, parse};
    use rstest::rstest;

    fn answer(body: &str) -> Answer {
        Answer { status: 200, headers: reqwest::header::HeaderMap::new(), body: body.into() }
    }

    #[test]
    fn a_data_center_is_read() {
        let server = parse(&answer(
            r#"{"baseUrl":"https://jira.example.test/jira","version":"10.3.19","versionNumbers":[10,3,19],
                "deploymentType":"Server","buildNumber":10030019,"serverTime":"2026-09-04T16:07:42.487-0700"}"#,
        ))
        .unwrap();
        assert_eq!(server.deployment, Deployment::DataCenter);
        assert_eq!(server.version, Version { numbers: vec![10, 3, 19], text: "10.3.19".to_owned() });
        assert_eq!(server.base_url.as_deref(), Some("https://jira.example.test/jira"));
        assert_eq!(server.server_time, Some("2026-09-04T23:07:42.487Z".parse().unwrap()));
    }

    #[test]
    fn a_cloud_site_is_read() {
        let server = parse(&answer(
            r#"{"baseUrl":"https://example-team.atlassian.net","version":"1001.0.0-SNAPSHOT","versionNumbers":[1001,0,0],
                "deploymentType":"Cloud","serverTime":"2026-01-02T03:04:05.000+0000","defaultLocale":{"locale":"en_US"}}"#,
        ))
        .unwrap();
        assert_eq!(server.deployment, Deployment::Cloud);
        assert_eq!(server.server_time, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    }

    #[rstest]
    #[case::only_the_version(r#"{"version":"7.0.0"}"#, &[7, 0, 0])]
    #[case::milestone(r#"{"version":"9.0.0-m0009"}"#, &[9, 0])]
    #[case::hostile_numbers(r#"{"version":"8.5.1","versionNumbers":"x","serverTime":"soon"}"#, &[8, 5, 1])]
    #[case::no_number(r#"{"version":"x"}"#, &[])]
    fn what_is_missing_is_done_without(#[case] body: &str, #[case] numbers: &[u64]) {
        let server = parse(&answer(body)).unwrap();
        assert_eq!((server.version.numbers.as_slice(), server.base_url, server.server_time), (numbers, None, None));
    }

    #[rstest]
    #[case("{}")]
    #[case(r#"{"baseUrl":"https://jira.example.test"}"#)]
    #[case(r#"{"version":""}"#)]
    #[case(r#"{"version":10}"#)]
    #[case("[]")]
    #[case("")]
    #[case("null")]
    fn without_a_version_it_is_no_jira(#[case] body: &str) {
        assert_eq!(parse(&answer(body)), Err(Problem::NotJira(Gibberish::Content)));
    }

    #[rstest]
    #[case("https://jira.example.test:8443/jira", true)]
    #[case("http://jira.example.test", true)]
    #[case("https://jira.example.test/ a secret", false)]
    #[case("https://fake-user:fake-word@jira.example.test", false)]
    #[case("https://jira.example.test/?secret", false)]
    #[case("https://jira.example.test/#secret", false)]
    #[case("jira.example.test", false)]
    #[case("any words", false)]
    fn only_an_address_is_shown_as_one(#[case] text: &str, #[case] shown: bool) {
        assert_eq!(is_address(text), shown);
    }

    #[rstest]
    #[case(&[10, 3, 19], &[10, 3], true)]
    #[case(&[10, 3], &[10, 3, 0], true)]
    #[case(&[8, 14], &[8, 22], false)]
    #[case(&[9], &[8, 22], true)]
    #[case(&[], &[8], false)]
    fn versions_are_ordered_by_their_numbers(#[case] numbers: &[u64], #[case] gate: &[u64], #[case] reached: bool) {
        assert_eq!(Version { numbers: numbers.to_vec(), text: String::new() }.is_at_least(gate), reached);
    }
}
