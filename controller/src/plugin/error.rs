//! Why the plugin could not do what it was asked to, each in one line with what to do.

use std::{io, path::PathBuf};

use kube::config::{InferConfigError, KubeconfigError};

use super::console::visible;
use crate::arguments::InvalidNetwork;

/// Why the plugin could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig does not serve.
    #[error("the kubeconfig cannot be used: {}. Name another with --kubeconfig or --context, or correct it", chain(.0))]
    Kubeconfig(Box<KubeconfigError>),
    /// There is neither a kubeconfig nor a service account.
    #[error("no cluster is configured: {}. Name a kubeconfig with --kubeconfig or KUBECONFIG", chain(.0))]
    NoCluster(Box<InferConfigError>),
    /// The API server knows no such object.
    #[error("{what}: {server}{}", absence_remedy(.is_kind))]
    NotFound {
        /// What was attempted.
        what: String,
        /// The API server's words.
        server: String,
        /// Whether the kind itself is missing.
        is_kind: bool,
    },
    /// The caller lacks a right.
    #[error("{what}: {server}. Ask the cluster's admin for this right")]
    Forbidden {
        /// What was attempted.
        what: String,
        /// The API server's words.
        server: String,
    },
    /// The API server refuses, or does not answer.
    #[error("{what}: {}", server_words(.source))]
    Api {
        /// What was attempted.
        what: String,
        /// How it failed.
        source: Box<kube::Error>,
    },
    /// The connection needs no person.
    #[error(
        "JiraConnection {name} authenticates with {method}, which needs nobody's consent. To change or end it, change its Secret"
    )]
    NotInteractive {
        /// The connection.
        name: String,
        /// Its way to authenticate.
        method: &'static str,
    },
    /// The Secret of a connection that needs a person is not there.
    #[error("Secret {secret} is not there yet. {cause}")]
    SecretAbsent {
        /// Name of the Secret.
        secret: String,
        /// What is known about why.
        cause: String,
    },
    /// Somebody else's Secret has the name.
    #[error(
        "Secret {secret} is not the operator's: {difference}. It is not written to; ask whoever made it, and let it be removed or renamed"
    )]
    SecretForeign {
        /// Name of the Secret.
        secret: String,
        /// By what it differs.
        difference: String,
    },
    /// OAuth 2.0 without pages.
    #[error(
        "JiraConnection {name} uses OAuth 2.0, where Jira sends the browser back to the operator's pages, and the operator has none. Ask its admin to set --public-url"
    )]
    NoPages {
        /// The connection.
        name: String,
    },
    /// `--code` with OAuth 2.0.
    #[error("--code is for OAuth 1.0a: JiraConnection {name} uses OAuth 2.0, where Jira shows no code. Leave it out")]
    CodeNotOffered {
        /// The connection.
        name: String,
    },
    /// The page is at an address that a key is not sent to.
    #[error(
        "the address of the page in Secret {secret} cannot be used: it must be https, or http on this machine. Ask the operator's admin to correct --public-url"
    )]
    PageUnusable {
        /// Name of the Secret.
        secret: String,
    },
    /// There is nothing that a code would be for.
    #[error("JiraConnection {name} awaits no code: {cause}. Start with: kubectl jira authorize {name} --code")]
    NoCodeAwaited {
        /// The connection.
        name: String,
        /// Why.
        cause: &'static str,
    },
    /// The text is no code.
    #[error(
        "this cannot be a verification code: one is a single word in visible ASCII. Copy it again from Jira's page"
    )]
    NotACode,
    /// Somebody else has started another attempt.
    #[error(
        "somebody has started another attempt for JiraConnection {name}, which replaces this one. Agree who does it"
    )]
    Superseded {
        /// The connection.
        name: String,
    },
    /// It takes too long.
    #[error("{what} within {limit}. {remedy}")]
    TooLate {
        /// What has not happened.
        what: String,
        /// How long was waited.
        limit: crds::Duration,
        /// What to do.
        remedy: String,
    },
    /// The person does not want it.
    #[error("not confirmed: nothing was changed. Answer yes, or give --yes where nobody can be asked")]
    NotConfirmed,
    /// A suspended object is not checked.
    #[error("{what} is suspended and is not checked. Let it go on first: kubectl jira resume {subject}")]
    Suspended {
        /// The object.
        what: String,
        /// As the plugin takes it.
        subject: String,
    },
    /// A local port cannot be opened.
    #[error(
        "port {port} of this machine cannot be opened: {source}. Free it, or give --no-forward if a port-forward of yours has it"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// No pod to forward to.
    #[error(
        "no pod of the operator runs in namespace {namespace}. Name its namespace with --operator-namespace, or look why it does not run"
    )]
    NoPod {
        /// Where it was looked for.
        namespace: String,
    },
    /// The caller may not forward a port to the operator.
    #[error(
        "the page {page} is reached by a port-forward, and you may not make one: {server}. Ask for the verb list on pods, and get and create on pods/portforward, in namespace {namespace}; or ask the operator's admin for a --public-url that you reach"
    )]
    ForwardForbidden {
        /// Address of the page, without a key.
        page: String,
        /// The API server's words.
        server: String,
        /// Namespace of the operator.
        namespace: String,
    },
    /// The port-forward fails.
    #[error("no port-forward to pod {pod} in namespace {namespace}: {}. Look whether the pod is well", server_words(.source))]
    Forward {
        /// The pod.
        pod: String,
        /// Its namespace.
        namespace: String,
        /// How it failed.
        source: Box<kube::Error>,
    },
    /// The system gives no randomness.
    #[error("the system has no randomness to give: {0}")]
    Randomness(#[from] getrandom::Error),
    /// A file cannot be read.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing to look at.
    #[error("{}: no manifests (*.yaml, *.yml, *.json) here. Name the files, or give -R for the folders below", .0.display())]
    NoManifests(PathBuf),
    /// No page of the manual is about it.
    #[error("there is no command {name}: kubectl jira --help lists them")]
    NoSuchCommand {
        /// What was asked for.
        name: String,
    },
    /// Two flags want standard input.
    #[error("standard input can be read once: name it with - for one flag only")]
    StandardInputTwice,
    /// The files hold no connection that could be asked for.
    #[error(
        "--live asks the Jira of a JiraConnection, and the files hold none that is meant. Name its file with -f, or correct --connection"
    )]
    NothingToAsk,
    /// It is not clear where to send the credential.
    #[error(
        "--live asks one Jira, and the files hold {several} connections. Say which with --connection NAMESPACE/NAME, so that the credential goes to no other host"
    )]
    WhichConnection {
        /// How many.
        several: usize,
    },
    /// The file holds no client.
    #[error(
        "the credential is no OAuth client: give clientId and clientSecret, as JSON or in a line for each, such as clientId: VALUE"
    )]
    NotAClient,
    /// No request can be sent with the flags of the network.
    #[error("{}", chain(.0))]
    Network(#[from] InvalidNetwork),
    /// What was to be asked could not be.
    #[error("the check against Jira broke off, which is a fault of this program. Please report it")]
    Stuck,
    /// An answer has no such form.
    #[error("the answer cannot be written in this form: {0}")]
    Form(String),
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
    /// Standard input cannot be read.
    #[error("cannot read standard input: {0}")]
    Input(#[source] io::Error),
}

impl Error {
    /// A failure of the API server. `what` is what was attempted, such as `reading Secret acme`.
    #[must_use]
    pub fn api(what: impl Into<String>, error: kube::Error) -> Self {
        let what = what.into();
        match error {
            kube::Error::Api(status) if status.is_forbidden() => {
                Self::Forbidden { what, server: one_line(&status.message) }
            }
            kube::Error::Api(status) if status.is_not_found() => {
                let is_kind = status.message.contains("could not find the requested resource")
                    || status.message.contains("page not found");
                Self::NotFound { what, server: one_line(&status.message), is_kind }
            }
            source => Self::Api { what, source: Box::new(source) },
        }
    }

    /// Exit status of the program.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::NotFound { .. }
            | Self::Forbidden { .. }
            | Self::ForwardForbidden { .. }
            | Self::SecretAbsent { .. }
            | Self::NoPod { .. } => 3,
            Self::CodeNotOffered { .. }
            | Self::NotACode
            | Self::NoManifests(_)
            | Self::NoSuchCommand { .. }
            | Self::StandardInputTwice
            | Self::NothingToAsk
            | Self::WhichConnection { .. }
            | Self::NotAClient
            | Self::Network(_) => 2,
            Self::Kubeconfig(_)
            | Self::NoCluster(_)
            | Self::Api { .. }
            | Self::NotInteractive { .. }
            | Self::SecretForeign { .. }
            | Self::NoPages { .. }
            | Self::PageUnusable { .. }
            | Self::NoCodeAwaited { .. }
            | Self::Superseded { .. }
            | Self::TooLate { .. }
            | Self::NotConfirmed
            | Self::Suspended { .. }
            | Self::PortTaken { .. }
            | Self::Forward { .. }
            | Self::Randomness(_)
            | Self::File { .. }
            | Self::Stuck
            | Self::Form(_)
            | Self::Output(_)
            | Self::Input(_) => 1,
        }
    }

    /// Whether the same might succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => status.code == 429 || status.code >= 500,
                kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
                _ => false,
            },
            _ => false,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the derive hands over a reference")]
fn absence_remedy(is_kind: &bool) -> &'static str {
    if *is_kind { ". Ask the cluster's admin whether the operator is installed" } else { "" }
}

/// What the API server says, or how it cannot be reached, in one line.
pub(super) fn server_words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => one_line(&status.message),
        other => chain(other),
    }
}

/// An error and its causes in one line, each cause once although some errors repeat theirs.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words: Vec<String> = Vec::new();
    for error in std::iter::successors(Some(error), |error| error.source()) {
        let text = one_line(&error.to_string());
        if !words.iter().any(|word| word.contains(&text)) {
            words.push(text);
        }
    }
    words.join(": ")
}

fn one_line(text: &str) -> String {
    visible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use rstest::rstest;

    use super::*;

    fn refused(message: &str, reason: &str, code: u16) -> kube::Error {
        kube::Error::Api(Status::failure(message, reason).with_code(code).boxed())
    }

    #[rstest]
    #[case::forbidden(
        refused("secrets \"a\" is forbidden", "Forbidden", 403),
        3,
        "reading it: secrets \"a\" is forbidden. Ask the cluster's admin for this right"
    )]
    #[case::not_found(
        refused("jiraconnections \"a\" not found", "NotFound", 404),
        3,
        "reading it: jiraconnections \"a\" not found"
    )]
    #[case::no_such_kind(
        refused("the server could not find the requested resource", "NotFound", 404),
        3,
        "reading it: the server could not find the requested resource. Ask the cluster's admin whether the operator is installed"
    )]
    #[case::another(refused("etcd\nis away", "InternalError", 500), 1, "reading it: etcd is away")]
    fn a_refusal_is_one_line_with_its_exit_status(
        #[case] error: kube::Error,
        #[case] exit_status: u8,
        #[case] message: &str,
    ) {
        let error = Error::api("reading it", error);
        assert_eq!((error.exit_status(), error.to_string().as_str()), (exit_status, message));
    }

    #[rstest]
    #[case(500, true)]
    #[case(429, true)]
    #[case(422, false)]
    fn only_what_may_pass_is_tried_again(#[case] code: u16, #[case] transient: bool) {
        assert_eq!(Error::api("it", refused("no", "Whatever", code)).is_transient(), transient);
    }
}
