//! The Cloud sites that a token is good for, and which of them the connection means.

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    Jira,
    authorization::{Authorization, Proof},
    cloud_id::CloudId,
    endpoint::Endpoint,
    exchange::{Call, Payload},
    problem::Problem,
    session::Party,
    site::Site,
    text::clean,
};

/// Sites that a problem lists.
const LISTED: usize = 10;

/// A Cloud site that a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveredSite {
    /// Its id.
    pub cloud_id: CloudId,
    /// Its URL as Atlassian writes it, cleaned: `https://example-team.atlassian.net`.
    pub url: String,
}

impl Jira {
    /// Asks Atlassian which sites a token of OAuth 2.0 (3LO) is good for: `GET /oauth/token/accessible-resources`. Empty where
    /// the token is good and the person could use no site. What has no cloud id is left out.
    ///
    /// # Errors
    /// [`Problem::Rejected`] where the token is over (401 and 403). Else any [`Problem`] of an exchange.
    pub async fn accessible_resources(&self, access: &SecretString) -> Result<Vec<CoveredSite>, Problem> {
        let endpoint = Endpoint::AccessibleResources;
        let url = self.connection.network.api_host(endpoint.template());
        let bearer = Authorization::Bearer(access.clone());
        let call =
            Call { endpoint, party: Party::ApiHost, url, proof: Proof::Session(&bearer), payload: Payload::None };
        let resources: Vec<Resource> = self.exchange(call).await?.read()?;
        let mut sites: Vec<_> = resources.into_iter().filter_map(Resource::site).collect();
        // One site may come once for each product.
        sites.sort_by(|one, other| (&one.url, &one.cloud_id).cmp(&(&other.url, &other.cloud_id)));
        sites.dedup();
        Ok(sites)
    }
}

#[derive(Deserialize)]
struct Resource {
    id: String,
    #[serde(default)]
    url: String,
}

impl Resource {
    fn site(self) -> Option<CoveredSite> {
        Some(CoveredSite { cloud_id: self.id.parse().ok()?, url: clean(&self.url) })
    }
}

/// Which of the covered sites is the connection's: the one of the same origin, or the one with the id that the connection's
/// own host gives (`tenant`), as a site has custom domains besides its own. Never just the first one.
///
/// # Errors
/// [`Problem::SiteNotCovered`] where none is.
pub fn choose(site: &Site, tenant: Option<&CloudId>, covered: &[CoveredSite]) -> Result<CloudId, Problem> {
    let same_origin = |it: &&CoveredSite| Site::parse(&it.url).is_ok_and(|url| url.origin() == site.origin());
    let same_id = |it: &&CoveredSite| Some(&it.cloud_id) == tenant;
    let found = covered.iter().find(same_origin).or_else(|| covered.iter().find(same_id));
    found.map(|it| it.cloud_id.clone()).ok_or_else(|| Problem::SiteNotCovered { covered: listed(covered) })
}

fn listed(covered: &[CoveredSite]) -> Vec<String> {
    let mut urls: Vec<_> = covered.iter().map(|it| clean(&it.url)).filter(|url| !url.is_empty()).collect();
    urls.sort();
    urls.dedup();
    urls.truncate(LISTED);
    urls
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn id(digit: usize) -> CloudId {
        format!("{digit:08}-2222-3333-4444-555555555555").parse().unwrap()
    }

    fn covered(urls: &[&str]) -> Vec<CoveredSite> {
        let site = |(number, url): (usize, &&str)| CoveredSite { cloud_id: id(number), url: (*url).to_owned() };
        urls.iter().enumerate().map(site).collect()
    }

    const TWO: [&str; 2] = ["https://other.atlassian.net", "https://team.atlassian.net"];

    #[rstest]
    #[case::by_origin("https://team.atlassian.net", None, &TWO, Some(1))]
    #[case::by_origin_written_otherwise("https://TEAM.atlassian.net:443/", None, &TWO, Some(1))]
    #[case::by_origin_with_a_path("https://team.atlassian.net/jira", None, &TWO, Some(1))]
    #[case::by_id_for_a_custom_domain("https://jira.example.test", Some(0), &TWO, Some(0))]
    #[case::origin_before_id("https://team.atlassian.net", Some(0), &TWO, Some(1))]
    #[case::not_the_first("https://jira.example.test", None, &TWO, None)]
    #[case::not_the_only_one("https://jira.example.test", Some(7), &TWO[..1], None)]
    #[case::not_a_part_of_the_name("https://team.atlassian.net.example.test", None, &TWO, None)]
    #[case::other_port("https://team.atlassian.net:8443", None, &TWO, None)]
    #[case::no_site("https://team.atlassian.net", Some(0), &[], None)]
    fn the_site_is_chosen_and_never_guessed(
        #[case] site: &str,
        #[case] tenant: Option<usize>,
        #[case] urls: &[&str],
        #[case] expected: Option<usize>,
    ) {
        let (tenant, covered) = (tenant.map(id), covered(urls));
        let missing = Problem::SiteNotCovered { covered: urls.iter().map(ToString::to_string).collect() };
        let found = choose(&Site::parse(site).unwrap(), tenant.as_ref(), &covered);
        assert_eq!(found, expected.map(id).ok_or(missing));
    }

    #[test]
    fn a_problem_lists_ten_sites_in_order_and_cleaned() {
        let urls: Vec<_> = (0..20).rev().map(|number| format!("https://a{number:02}.test\u{202e}")).collect();
        let covered = covered(&urls.iter().map(String::as_str).collect::<Vec<_>>());
        let problem = choose(&Site::parse("https://b.test").unwrap(), None, &covered);
        let first: Vec<_> = (0..10).map(|number| format!("https://a{number:02}.test")).collect();
        assert_eq!(problem, Err(Problem::SiteNotCovered { covered: first }));
    }
}
