//! The login page of Data Center. Who somebody is, is chosen from a list: passwords are not what is tested here.

use super::instance::{Account, AccountStatus, Principal};
use super::message::{Fields, Reply, Request};
use super::page::{Button, Form, Page, accounts, is_local, with_query};
use super::world::{Served, Site};

/// Name of the session cookie.
pub(super) const COOKIE: &str = "JSESSIONID";

/// Id of the active account whose session a request belongs to.
pub(super) fn session(site: &Site, request: &Request) -> Option<String> {
    let id = site.sessions.account(request.cookie(COOKIE))?;
    people(site).find(|account| account.id == id).map(|account| account.id.clone())
}

fn people(site: &Site) -> impl Iterator<Item = &Account> {
    let accounts = site.instance.accounts.iter();
    accounts.filter(|account| account.status == AccountStatus::Active && account.principal == Principal::User)
}

/// Sends somebody to the login page, from where they come back to this request.
pub(super) fn detour(site: &Site, request: &Request) -> Reply {
    let context = site.instance.context_path();
    let path = request.path.strip_prefix(context).unwrap_or(&request.path);
    let query = request.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
    let destination = format!("{path}{query}");
    Reply::redirect(&with_query(&format!("{context}/login.jsp"), &[("os_destination", &destination)]))
}

/// `login.jsp`.
pub(super) fn page(site: &mut Site, request: &Request) -> Served {
    let context = site.instance.context_path().to_owned();
    if request.method != "POST" {
        let destination = request.parameter("os_destination").unwrap_or_default();
        let title = site.center().map_or("Jira", |center| center.title.as_str());
        let page = Page::new(&format!("Log in to {title}")).form(&Form {
            action: &format!("{context}/login.jsp"),
            hidden: vec![("os_destination", &destination)],
            select: Some(accounts(people(site))),
            buttons: vec![Button { id: "login", label: "Log in", decision: None }],
        });
        return Served::nobody(page.reply(200));
    }
    let form = Fields(request.form());
    let chosen = people(site).find(|account| account.id == form.text("account"));
    let Some(account) = chosen.map(|account| account.id.clone()) else {
        return Served::nobody(Page::refusal(401, "Login failed", "There is no such user, or it is not active."));
    };
    let target = Some(form.text("os_destination")).filter(|target| is_local(target)).unwrap_or("/");
    let cookie = site.sessions.open(&account);
    let reply = Reply::redirect(&format!("{context}{target}"));
    let reply = reply.session_cookie(COOKIE, &cookie, site.instance.transport.scheme);
    Served::known(reply, Some(account))
}
