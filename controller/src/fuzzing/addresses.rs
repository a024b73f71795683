//! URLs, and patterns of hosts.

use super::text;
use crate::{
    jira::{HostPattern, Site},
    web::PublicUrl,
};

/// A base URL of Jira is read as it is written, and leads nowhere but to its own host; so does the address of the pages.
pub fn addresses(bytes: &[u8]) {
    let text = text(bytes);
    if let Ok(site) = Site::parse(text) {
        assert_eq!(Site::parse(&site.to_string()).as_ref(), Ok(&site), "a normal form is its own");
        for path in ["/rest/api/2/myself", "/rest/api/2/project/..%2F..", "//elsewhere.example/", "/a?b#c@d"] {
            let url = site.url(path);
            assert_eq!(url.origin().ascii_serialization(), site.origin(), "{url} leads elsewhere");
            assert!(url.as_str().starts_with("https://") && url.query().is_none() && url.fragment().is_none(), "{url}");
        }
        if let Ok(own) = site.host().parse::<HostPattern>() {
            assert!(site.port() != 443 || own.admits(&site), "{site} is none of its own host");
        }
        if let Ok(pattern) = text.parse::<HostPattern>() {
            assert!(!pattern.admits(&site), "a URL is no pattern");
        }
    } else if let Ok(pattern) = text.parse::<HostPattern>() {
        let site = Site::parse(&format!("https://{text}"));
        assert!(site.is_err() || site.is_ok_and(|site| pattern.admits(&site)), "{text} does not admit itself");
    }
    if let Ok(public) = PublicUrl::parse(text) {
        assert!(public.callback().starts_with(&public.origin()), "{} is elsewhere", public.callback());
    }
}
