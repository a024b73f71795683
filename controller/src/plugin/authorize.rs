//! `authorize`: a person gives a connection access to Jira, in the browser.

use super::{
    arguments::Authorize,
    authorization::{Authorization, Late, Progress},
    cluster::Cluster,
    console::{Console, visible},
    error::Error,
    forward::Forward,
    page::{Page, Reach},
    record::{Course, Record},
    verdict::Verdict,
};
use crate::auth::authorization_secret::{
    ApplicationLink, Attempt, AuthorizationSecret, Hash, KEY_HASH, Key, Outcome, RETURN_BY, ReturnBy,
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

    /// What a program is told of it before anything has happened.
    fn course(&self, secret: &AuthorizationSecret, key: &Key, arguments: &Authorize) -> Course {
        Course {
            method: if secret.link.is_some() { "oauth1" } else { "oauth2AuthorizationCode" },
            waited: arguments.wait,
            link: match self {
                Self::Page(page) => Some(page.link(key).into()),
                Self::Terminal(_) => None,
            },
            authorization_url: None,
            deadline: None,
            application_link: secret.link.as_ref().map(Into::into),
        }
    }
}

/// Authorises a connection, and waits for the outcome if that is wished.
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
    let course = way.course(&secret, &key, arguments);
    let finish = async {
        match &way {
            Way::Page(page) => on_the_page(&authorization, page, &key, arguments, console).await,
            Way::Terminal(link) => in_the_terminal(&authorization, link, &hash, arguments, cluster, console).await,
        }
    };
    let reached = match &forward {
        None => finish.await?,
        Some(forward) => tokio::select! {
            reached = finish => reached?,
            never = forward.serve(console) => match never {},
        },
    };
    let mut record = Record::of(&arguments.name.0, &cluster.namespace);
    match reached {
        Reached::Attempt(attempt) => record.course = Some(course.with(&attempt)),
        Reached::End(attempt, outcome) => {
            record.course = Some(attempt.iter().fold(course, Course::with));
            record.outcome = Some(outcome.into());
        }
    }
    if let (None, Some(course)) = (&record.outcome, &record.course) {
        announce(course, arguments, cluster, console);
    }
    record.tell(arguments.output, console)
}

/// How far the command has followed an attempt.
enum Reached {
    /// The operator has taken it up; what comes is not waited for.
    Attempt(Attempt),
    /// Its end, and the attempt if it was seen.
    End(Option<Attempt>, Outcome),
}

/// Tells a person what is left to do where the command does not wait.
fn announce(course: &Course, arguments: &Authorize, cluster: &Cluster, console: Console) {
    let Authorize { name, .. } = arguments;
    let deadline = course.deadline.map(|deadline| format!(" until {deadline}")).unwrap_or_default();
    console.remark(&format!(
        "The attempt is open{deadline}. How it ends is told by: kubectl jira status {} -n {}",
        name.0, cluster.namespace
    ));
}

async fn forward(arguments: &Authorize, cluster: &Cluster, page: &Page) -> Result<Option<Forward>, Error> {
    match page.reach() {
        Reach::Loopback { port } if !arguments.operator.no_forward && arguments.wait => {
            Forward::open(cluster, &arguments.operator, page, port).await.map(Some)
        }
        Reach::Loopback { .. } | Reach::Direct => Ok(None),
    }
}

async fn on_the_page(
    authorization: &Authorization<'_>,
    page: &Page,
    key: &Key,
    arguments: &Authorize,
    console: Console,
) -> Result<Reached, Error> {
    let hash = key.hash();
    if arguments.wait {
        show(page, key, arguments, console)?;
        let outcome = authorization.outcome(&hash, arguments.timeout, console).await?;
        return Ok(Reached::End(None, outcome));
    }
    let begun = begin(authorization, &hash, arguments).await?;
    if let Begun::Attempt(_) = &begun {
        show(page, key, arguments, console)?;
        if let (Reach::Loopback { port }, false) = (page.reach(), arguments.operator.no_forward) {
            console.remark(&format!(
                "The page is at a port of this machine, and a command that does not wait keeps no port-forward open. Open one to port {port} first."
            ));
        }
    }
    Ok(match begun {
        Begun::Attempt(attempt) => Reached::Attempt(attempt),
        Begun::Ended(outcome) => Reached::End(None, outcome),
    })
}

/// Opens the page in the browser, or prints the link where that is wished or there is none. A program that reads the
/// answer decides itself what opens the link.
fn show(page: &Page, key: &Key, arguments: &Authorize, console: Console) -> Result<(), Error> {
    let link = page.link(key);
    if !arguments.print && !arguments.output.is_for_programs() && has_display() {
        match webbrowser::open(link.as_str()) {
            Ok(()) => {
                console.remark(&format!("The browser shows {}. Waiting for the outcome.", page.as_str()));
                return Ok(());
            }
            Err(error) => console.remark(&format!("No browser opens: {error}.")),
        }
    }
    console.remark("Open this link. It is for you alone: whoever has it can authorise the connection.");
    guide(link.as_str(), arguments, console)?;
    if arguments.code {
        console.remark(&format!(
            "The page asks for the code that Jira shows; so does: kubectl jira verify {}",
            arguments.name.0
        ));
    }
    Ok(())
}

/// Prints what a person needs on the way. It is the answer itself unless a program reads that.
fn guide(text: &str, arguments: &Authorize, console: Console) -> Result<(), Error> {
    if arguments.output.is_for_programs() {
        console.remark(text);
        return Ok(());
    }
    console.say(text)
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
) -> Result<Reached, Error> {
    let attempt = match begin(authorization, hash, arguments).await? {
        Begun::Attempt(attempt) => attempt,
        Begun::Ended(outcome) => return Ok(Reached::End(None, outcome)),
    };
    let name = &arguments.name.0;
    guide(&instructions(link, &attempt.authorization_url, name, &cluster.namespace), arguments, console)?;
    if !arguments.wait {
        return Ok(Reached::Attempt(attempt));
    }
    let outcome = code_and_outcome(authorization, hash, arguments, console).await?;
    Ok(Reached::End(Some(attempt), outcome))
}

/// Waits for the outcome. Where somebody sits at the terminal, he may type the code there.
async fn code_and_outcome(
    authorization: &Authorization<'_>,
    hash: &Hash,
    arguments: &Authorize,
    console: Console,
) -> Result<Outcome, Error> {
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

/// Waits until the operator has taken the attempt up.
async fn begin(authorization: &Authorization<'_>, hash: &Hash, arguments: &Authorize) -> Result<Begun, Error> {
    let late = Late {
        what: "the operator has not taken the attempt up",
        remedy: "Look whether it runs, and what it says: kubectl jira status",
    };
    authorization.wait(arguments.timeout, late, |secret| begun(hash, &secret, &arguments.name.0)).await
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

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;
    use crate::plugin::{
        arguments::{Arguments, Command},
        record::tests::link,
    };

    fn arguments(words: &[&str]) -> Authorize {
        let words = [&["kubectl-jira", "authorize", "acme"], words].concat();
        match Arguments::try_parse_from(words).unwrap().command {
            Command::Authorize(arguments) => arguments,
            other => panic!("{other:?}"),
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
