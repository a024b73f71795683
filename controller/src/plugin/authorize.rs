//! `authorize`: a person gives a connection access to Jira, in the browser.

use super::{
    arguments::Authorize,
    authorization::{Authorization, Late, Progress},
    cluster::Cluster,
    console::{Console, visible},
    error::Error,
    forward::Forward,
    page::{Page, Reach},
    verdict::Verdict,
};
use crate::auth::authorization_secret::{
    ApplicationLink, Attempt, AuthorizationSecret, Hash, KEY_HASH, Key, Outcome, OutcomeResult, RETURN_BY, ReturnBy,
    VERIFICATION_CODE, VerificationCode,
};

/// Where the person goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// On the operator's page.
    Page(Page),
    /// In this terminal, with these values for Jira's application link.
    Terminal(ApplicationLink),
}

impl Way {
    fn choose(secret: &AuthorizationSecret, arguments: &Authorize, secret_name: &str) -> Result<Self, Error> {
        let name = &arguments.name.0;
        if arguments.code && secret.link.is_none() {
            return Err(Error::CodeNotOffered { name: name.clone() });
        }
        match (&secret.page, &secret.link) {
            (Some(page), _) => match Page::read(page) {
                Some(page) => Ok(Self::Page(page)),
                None => Err(Error::PageUnusable { secret: secret_name.to_owned() }),
            },
            (None, Some(link)) => Ok(Self::Terminal(link.clone())),
            (None, None) => Err(Error::NoPages { name: name.clone() }),
        }
    }

    /// How the answer shall come back; `None` leaves it to the operator.
    fn return_by(&self, arguments: &Authorize) -> Option<ReturnBy> {
        match self {
            Self::Page(_) => arguments.code.then_some(ReturnBy::Code),
            Self::Terminal(_) => Some(ReturnBy::Code),
        }
    }
}

/// Authorises a connection, and waits for the outcome.
///
/// # Errors
/// When it cannot be started, or nobody finishes it.
pub async fn run(arguments: &Authorize, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    let authorization = Authorization::of(cluster, &arguments.name.0);
    let secret = authorization.read().await?;
    let way = Way::choose(&secret, arguments, authorization.secret())?;
    if secret.open_attempt(super::authorization::now()).is_some() {
        console.remark("Somebody has started an attempt that is not over. This one replaces it.");
    }
    // Before the attempt is started: a person without the right to forward shall not end somebody else's attempt.
    let forward = match &way {
        Way::Page(page) => forward(arguments, cluster, page).await?,
        Way::Terminal(_) => None,
    };

    let key = Key::fresh()?;
    let hash = key.hash();
    let return_by = way.return_by(arguments).map(ReturnBy::as_str);
    // A code that was left over belongs to an earlier attempt.
    authorization.write(&[(KEY_HASH, Some(hash.as_str())), (RETURN_BY, return_by), (VERIFICATION_CODE, None)]).await?;
    let finish = async {
        match &way {
            Way::Page(page) => {
                show(page, &key, arguments, console)?;
                authorization.outcome(&hash, arguments.timeout, console).await
            }
            Way::Terminal(link) => in_the_terminal(&authorization, link, &hash, arguments, cluster, console).await,
        }
    };
    let outcome = match &forward {
        None => finish.await?,
        Some(forward) => tokio::select! {
            outcome = finish => outcome?,
            never = forward.serve(console) => match never {},
        },
    };
    report(&outcome, console)
}

async fn forward(arguments: &Authorize, cluster: &Cluster, page: &Page) -> Result<Option<Forward>, Error> {
    match page.reach() {
        Reach::Loopback { port } if !arguments.operator.no_forward => {
            Forward::open(cluster, &arguments.operator, page, port).await.map(Some)
        }
        Reach::Loopback { .. } | Reach::Direct => Ok(None),
    }
}

/// Opens the page in the browser, or prints the link where that is wished or there is none.
fn show(page: &Page, key: &Key, arguments: &Authorize, console: Console) -> Result<(), Error> {
    let link = page.link(key);
    if !arguments.print && has_display() {
        match webbrowser::open(link.as_str()) {
            Ok(()) => {
                console.remark(&format!("The browser shows {}. Waiting for the outcome.", page.as_str()));
                return Ok(());
            }
            Err(error) => console.remark(&format!("No browser opens: {error}.")),
        }
    }
    console.remark("Open this link. It is for you alone: whoever has it can authorise the connection.");
    console.say(link.as_str())?;
    if arguments.code {
        console.remark(&format!(
            "The page asks for the code that Jira shows; so does: kubectl jira verify {}",
            arguments.name.0
        ));
    }
    Ok(())
}

/// Whether a browser could show anything. Without a display only text browsers would start, in the midst of the output.
fn has_display() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(any(target_os = "macos", target_os = "windows"))
        || ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME"].into_iter().any(is_set)
}

/// OAuth 1.0a without pages: shows the values and the address, and takes the code where somebody sits at the terminal.
async fn in_the_terminal(
    authorization: &Authorization<'_>,
    link: &ApplicationLink,
    hash: &Hash,
    arguments: &Authorize,
    cluster: &Cluster,
    console: Console,
) -> Result<Outcome, Error> {
    let late = Late {
        what: "the operator has not made an address for Jira",
        remedy: "Look whether it runs, and what it says: kubectl jira status",
    };
    let started = authorization.wait(arguments.timeout, late, |secret| begun(hash, &secret, &arguments.name.0)).await?;
    let attempt = match started {
        Begun::Attempt(attempt) => attempt,
        Begun::Ended(outcome) => return Ok(outcome),
    };
    let name = &arguments.name.0;
    console.say(&instructions(link, &attempt.authorization_url, name, &cluster.namespace))?;

    let outcome = authorization.outcome(hash, arguments.timeout, console);
    if !console.is_attended() {
        return outcome.await;
    }
    tokio::pin!(outcome);
    loop {
        tokio::select! {
            outcome = &mut outcome => return outcome,
            typed = console.ask("Code:") => {
                let Some(typed) = typed? else { return outcome.await };
                match VerificationCode::read(&typed) {
                    Some(code) => {
                        authorization.write(&[(VERIFICATION_CODE, Some(code.expose()))]).await?;
                        return outcome.await;
                    }
                    None => console.remark(&Error::NotACode.to_string()),
                }
            }
        }
    }
}

/// The operator's first word on an attempt.
enum Begun {
    Attempt(Attempt),
    Ended(Outcome),
}

fn begun(hash: &Hash, secret: &AuthorizationSecret, name: &str) -> Result<Option<Begun>, Error> {
    match Progress::of(hash, secret) {
        Progress::Ended(outcome) => Ok(Some(Begun::Ended(outcome))),
        Progress::Superseded => Err(Error::Superseded { name: name.to_owned() }),
        Progress::UnderWay => Ok(secret.attempt.clone().map(Begun::Attempt)),
        Progress::Unnoticed => Ok(None),
    }
}

fn instructions(link: &ApplicationLink, authorization_url: &str, name: &str, namespace: &str) -> String {
    let ApplicationLink { application_url, consumer_key, consumer_name, public_key } = link;
    let (application_url, consumer_key) = (visible(application_url), visible(consumer_key));
    let (consumer_name, public_key) = (visible(consumer_name), visible(public_key));
    let authorization_url = visible(authorization_url);
    format!(
        "1. In Jira, once: Administration > Applications > Application links. Create a link to the application URL, of the
   type Generic Application, with Create incoming link, and enter:

   Application URL  {application_url}
   Consumer key     {consumer_key}
   Consumer name    {consumer_name}
   Public key

{}

2. Open this address, logged in as the account that the operator shall use, and allow the access:

{authorization_url}

3. Give the code that Jira then shows:

   kubectl jira verify {name} -n {namespace}
",
        public_key.trim_end()
    )
}

/// Tells the person how an attempt ended.
///
/// # Errors
/// When standard output is closed.
pub(super) fn report(outcome: &Outcome, console: Console) -> Result<Verdict, Error> {
    let (word, verdict) = match outcome.result {
        OutcomeResult::Granted => ("Granted", Verdict::Good),
        OutcomeResult::Refused => ("Refused", Verdict::Bad),
        OutcomeResult::Expired => ("Expired", Verdict::Bad),
        OutcomeResult::Unusable => ("Unusable", Verdict::Bad),
        OutcomeResult::Failed => ("Failed", Verdict::Bad),
    };
    let word = console.palette.paint(verdict.tone(), word);
    console.say(&format!("{word}: {}", visible(&outcome.message)))?;
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;
    use crate::plugin::arguments::{Arguments, Command};

    fn arguments(words: &[&str]) -> Authorize {
        let words = [&["kubectl-jira", "authorize", "acme"], words].concat();
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Authorize(arguments) => arguments,
            other => panic!("{other:?}"),
        }
    }

    fn link() -> ApplicationLink {
        ApplicationLink {
            application_url: "https://operator.example".into(),
            consumer_key: "jira-operator".into(),
            consumer_name: "Jira operator".into(),
            public_key: "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n".into(),
        }
    }

    fn secret(page: Option<&str>, link: Option<ApplicationLink>) -> AuthorizationSecret {
        AuthorizationSecret { page: page.map(str::to_owned), link, ..AuthorizationSecret::default() }
    }

    const PAGE: &str = "https://operator.example/authorize/platform/acme";

    #[rstest]
    #[case::oauth2(secret(Some(PAGE), None), &[], "page", None)]
    #[case::oauth1_with_pages(secret(Some(PAGE), Some(link())), &[], "page", None)]
    #[case::oauth1_with_pages_by_code(secret(Some(PAGE), Some(link())), &["--code"], "page", Some(ReturnBy::Code))]
    #[case::oauth1_without_pages(secret(None, Some(link())), &[], "terminal", Some(ReturnBy::Code))]
    fn the_secret_says_where_the_person_goes_on(
        #[case] secret: AuthorizationSecret,
        #[case] words: &[&str],
        #[case] expected: &str,
        #[case] return_by: Option<ReturnBy>,
    ) {
        let arguments = arguments(words);
        let way = Way::choose(&secret, &arguments, "s").unwrap();
        let named = match &way {
            Way::Page(_) => "page",
            Way::Terminal(_) => "terminal",
        };
        assert_eq!((named, way.return_by(&arguments)), (expected, return_by));
    }

    #[rstest]
    #[case::oauth2_without_pages(secret(None, None), &[], 1, "--public-url")]
    #[case::oauth2_by_code(secret(Some(PAGE), None), &["--code"], 2, "--code is for OAuth 1.0a")]
    #[case::planted_address(secret(Some("http://evil.example"), None), &[], 1, "must be https")]
    fn what_cannot_go_on_says_why(
        #[case] secret: AuthorizationSecret,
        #[case] words: &[&str],
        #[case] exit_status: u8,
        #[case] words_of_the_error: &str,
    ) {
        let error = Way::choose(&secret, &arguments(words), "s").unwrap_err();
        assert_eq!(error.exit_status(), exit_status);
        assert!(error.to_string().contains(words_of_the_error), "{error}");
    }

    #[test]
    fn the_terminal_shows_the_four_values_and_the_address() {
        insta::assert_snapshot!(instructions(
            &link(),
            "https://jira.example/plugins/servlet/oauth/authorize?oauth_token=t",
            "acme",
            "platform"
        ));
    }
}
