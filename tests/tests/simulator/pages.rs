//! The pages for people: well-formed, labelled, safe against what names hold, and usable by clicks alone.

use std::collections::BTreeSet;

use html5gum::{DefaultEmitter, Token, Tokenizer};
use serde_json::json;
use tests::jira::person::{Landing, Page};
use tests::jira::{self, Instance, Mutation, Person, Simulator};

use crate::{CENTER, CLOUD};

const CALLBACK: &str = "https://operator.example.test/callback";
/// A name that would be markup if it were not escaped.
const NAME: &str = "<b>Bot</b> & \"friends\"";

/// Refuses pages that a validator would not pass.
fn assert_well_formed(page: &Page) {
    let html = &page.html;
    assert!(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{html}");
    let void = ["meta", "input"];
    let (mut open, mut ids, mut labelled) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let (mut fields, mut buttons) = (BTreeSet::new(), 0);
    for token in Tokenizer::new_with_emitter(html, DefaultEmitter::default()) {
        match token.unwrap() {
            Token::StartTag(tag) => {
                let name = String::from_utf8(tag.name.to_vec()).unwrap();
                assert!(
                    [
                        "html", "head", "title", "meta", "body", "main", "h1", "p", "ul", "li", "a", "form", "input",
                        "label", "select", "option", "button"
                    ]
                    .contains(&name.as_str()),
                    "<{name}> in {html}"
                );
                let value = |wanted: &str| {
                    tag.attributes.get(wanted.as_bytes()).map(|value| String::from_utf8(value.to_vec()).unwrap())
                };
                if let Some(id) = value("id") {
                    assert!(ids.insert(id.clone()), "the id {id} stands twice in {html}");
                }
                match name.as_str() {
                    "label" => labelled.extend(value("for")),
                    "select" => fields.extend(value("id")),
                    "input" => assert_eq!(value("type").as_deref(), Some("hidden"), "{html}"),
                    "button" => {
                        buttons += 1;
                        assert_eq!(value("type").as_deref(), Some("submit"));
                    }
                    "form" => assert_eq!(value("method").as_deref(), Some("post")),
                    _ => {}
                }
                if !void.contains(&name.as_str()) {
                    open.push(name);
                }
            }
            Token::EndTag(tag) => {
                let name = String::from_utf8(tag.name.to_vec()).unwrap();
                assert_eq!(open.pop(), Some(name), "{html}");
            }
            Token::Error(error) => panic!("{error:?} in {html}"),
            Token::String(_) | Token::Comment(_) | Token::Doctype(_) => {}
        }
    }
    assert!(open.is_empty() && labelled == fields, "each choice has a label: {html}");
    assert!(!page.title().is_empty() && (fields.is_empty() || buttons > 0));
}

/// A simulator with one Cloud site, one Data Center, an app, a link, and names full of markup.
fn simulator() -> (Simulator, String) {
    let app =
        json!({"clientId": "app", "secret": "s", "name": NAME, "callbackUrl": CALLBACK, "scopes": ["read:jira-user"]});
    let apps = vec![serde_json::from_value(app).unwrap()];
    let simulator = Simulator::start(jira::Options { apps, ..jira::Options::default() }).unwrap();
    let mut cloud: Instance = serde_yaml::from_str(&CLOUD.replace("NAME", "cloud")).unwrap();
    let bot = cloud.account_mut("bot").unwrap();
    (bot.display_name, bot.email) = (NAME.to_owned(), None);
    simulator.add(cloud).unwrap();
    let mut center: Instance = serde_yaml::from_str(&CENTER.replace("NAME", "center")).unwrap();
    NAME.clone_into(&mut center.account_mut("JIRAUSER10100").unwrap().display_name);
    let link = json!({"clientId": "link", "secret": "s", "name": NAME, "redirectUrls": [CALLBACK], "scope": "READ"});
    center.center_mut().unwrap().incoming_links.push(serde_json::from_value(link).unwrap());
    let url = simulator.add(center).unwrap();
    (simulator, url)
}

fn cloud_url(simulator: &Simulator) -> String {
    format!(
        "{}/authorize?audience=api.atlassian.com&client_id=app&scope=read%3Ajira-user&state=s&prompt=consent\
         &response_type=code&redirect_uri=https%3A%2F%2Foperator.example.test%2Fcallback",
        simulator.auth_url()
    )
}

fn center_url(url: &str) -> String {
    format!(
        "{url}/rest/oauth2/latest/authorize?client_id=link&response_type=code&state=s\
         &redirect_uri=https%3A%2F%2Foperator.example.test%2Fcallback"
    )
}

async fn signed_in(person: &Person, page: &Page, account: &str) -> Page {
    match person.click(page, "login", &[("account", account)]).await.unwrap() {
        Landing::Page(page) => page,
        Landing::Elsewhere(url) => panic!("signing in led to {url}"),
    }
}

#[tokio::test]
async fn cloud_pages_are_for_clicks() {
    let (simulator, _) = simulator();
    let person = Person::new(&simulator, "bot").unwrap();
    let login = person.open(&cloud_url(&simulator)).await.unwrap();
    assert_well_formed(&login);
    let accounts: Vec<_> = login.options("account").into_iter().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(accounts, ["admin", "bot", "poor"], "service accounts have no browser");
    let consent = signed_in(&person, &login, "bot").await;
    assert_well_formed(&consent);
    assert!(consent.title().starts_with(NAME), "{}", consent.title());
    assert_eq!(consent.text("user"), Some(format!("Signed in as {NAME}.").as_str()));
    assert_eq!(consent.text("scopes"), Some("read:jira-user"));
    assert_eq!(consent.options("site").len(), 1);
    for button in ["accept", "deny"] {
        let callback = match button {
            "accept" => person.consent(&cloud_url(&simulator)).await,
            _ => person.deny(&cloud_url(&simulator)).await,
        };
        assert!(callback.unwrap().starts_with(CALLBACK), "the session goes on: {button}");
    }
    let other = person.open(&format!("{}/login?continue=%2Fauthorize", simulator.auth_url())).await.unwrap();
    assert_well_formed(&other);
    let refusal = signed_in(&person, &other, "poor").await;
    assert_well_formed(&refusal);
    assert_eq!(refusal.status, 400);
}

#[tokio::test]
async fn data_center_pages_are_for_clicks() {
    let (simulator, url) = simulator();
    let person = Person::new(&simulator, "JIRAUSER10100").unwrap();
    let login = person.open(&center_url(&url)).await.unwrap();
    assert_well_formed(&login);
    assert_eq!(login.options("account"), [("JIRAUSER10100", &*format!("{NAME} (JIRAUSER10100)"))], "only active users");
    let consent = signed_in(&person, &login, "JIRAUSER10100").await;
    assert_well_formed(&consent);
    assert_eq!(consent.text("scopes"), Some("READ"));
    assert!(consent.title().starts_with(NAME));
    // Whatever else the browser fetches from Jira meanwhile, it stays logged in.
    person.open(&format!("{url}/favicon.ico")).await.unwrap();
    let Landing::Elsewhere(callback) = person.click(&consent, "accept", &[]).await.unwrap() else { panic!("a page") };
    assert!(callback.starts_with(CALLBACK));
    let Landing::Page(over) = person.click(&consent, "accept", &[]).await.unwrap() else { panic!("a redirect") };
    assert_well_formed(&over);
    assert_eq!(over.status, 403, "a decision counts once");
}

#[tokio::test]
async fn a_sign_in_leads_back_to_the_same_host_only() {
    let (simulator, url) = simulator();
    let person = Person::new(&simulator, "JIRAUSER10100").unwrap();
    for target in ["https%3A%2F%2Fevil.example.test%2F", "%2F%2Fevil.example.test%2F", "%2F%5Cevil.example.test"] {
        let login = person.open(&format!("{url}/login.jsp?os_destination={target}")).await.unwrap();
        let landed = person.click(&login, "login", &[("account", "JIRAUSER10100")]).await.unwrap();
        assert!(matches!(landed, Landing::Page(_)), "{landed:?}");
        let login = person.open(&format!("{}/login?continue={target}", simulator.auth_url())).await.unwrap();
        let landed = person.click(&login, "login", &[("account", "bot")]).await.unwrap();
        assert!(matches!(landed, Landing::Page(_)), "{landed:?}");
    }
}

#[tokio::test]
async fn a_deactivated_user_is_logged_out() {
    let (simulator, url) = simulator();
    let person = Person::new(&simulator, "JIRAUSER10100").unwrap();
    person.consent(&center_url(&url)).await.unwrap();
    let status = jira::AccountStatus::Inactive;
    simulator.mutate("center", &Mutation::SetAccountStatus { account: "JIRAUSER10100".into(), status }).unwrap();
    assert!(matches!(person.consent(&center_url(&url)).await, Err(jira::person::Error::Lacking { .. })));
}
