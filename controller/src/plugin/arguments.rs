//! Command line of the plugin. `--help` is the reference.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use crds::{Duration, JiraConnection};

use super::{
    check::STANDARD_INPUT,
    format::Format,
    subject::{ConnectionName, Kind, Subject},
};
use crate::{
    arguments::{InvalidNetwork, NetworkArguments},
    jira::Network,
};

/// What `--help` says of the exit status.
const EXIT_STATUS: &str = "Exit status:
  0  as hoped: granted, Ready, done, nothing broken, nothing missing
  1  otherwise, and on failures
  2  wrong usage
  3  not found, or not allowed";

/// Connections to Jira: authorise, look, ask for a check, find what is wrong.
#[derive(Debug, Parser)]
#[command(name = "kubectl-jira", bin_name = "kubectl jira", version, after_help = EXIT_STATUS)]
pub struct Arguments {
    /// Which cluster, as whom.
    #[command(flatten)]
    pub cluster: ClusterArguments,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which cluster, as whom: the flags that kubectl has.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArguments {
    /// Namespace. Absent: that of the context.
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig. Absent: the current one.
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub context: Option<String>,
    /// Cluster of the kubeconfig. Absent: that of the context.
    #[arg(long, global = true, value_name = "CLUSTER")]
    pub cluster: Option<String>,
    /// User of the kubeconfig. Absent: that of the context.
    #[arg(long, global = true, value_name = "USER")]
    pub user: Option<String>,
    /// The kubeconfig. Absent: `KUBECONFIG`, else `~/.kube/config`.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,
    /// User to act as, if you may impersonate.
    #[arg(long = "as", global = true, value_name = "USER")]
    pub impersonate: Option<String>,
    /// Group to act as; may be given several times.
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub impersonate_groups: Vec<String>,
}

/// What the plugin does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a connection access to Jira, in the browser
    Authorize(Authorize),
    /// Give the verification code that Jira shows (OAuth 1.0a)
    Verify(Verify),
    /// Say how a connection stands and what to do next
    Status(Status),
    /// End the grant of a connection, at Jira and here
    Revoke(Revoke),
    /// Ask for a check now, and wait for it
    Reconcile(Reconcile),
    /// Stop the checks of an object
    Suspend(Suspend),
    /// Let the checks of an object go on
    Resume(Suspend),
    /// Name the first thing that is broken on the way from a binding to Jira
    Why(Why),
    /// Show which permissions are granted and missing, with a text for the Jira admin
    Permissions(Permissions),
    /// Check manifests without a cluster, and with --live against Jira
    Check(Box<Check>),
    /// Print the completion script of a shell
    Completion(Completion),
    /// Print a page of the manual, as roff
    #[command(hide = true)]
    Man(Manual),
    /// Print what may follow, as kubectl asks its plugins
    #[command(hide = true)]
    CompleteWords(CompleteWords),
}

/// `kubectl jira authorize`
#[derive(Debug, Args)]
pub struct Authorize {
    /// Name of the `JiraConnection`
    pub name: ConnectionName,
    /// Print the link instead of opening a browser
    #[arg(long)]
    pub print: bool,
    /// OAuth 1.0a: let Jira show a verification code instead of returning to the operator's pages
    #[arg(long)]
    pub code: bool,
    /// Wait for the outcome; `--wait=false` ends as soon as the operator has taken the attempt up
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, default_value = "15m", value_name = "DURATION")]
    pub timeout: Duration,
    /// Form of the output; `json` and `yaml` open no browser, and what a person needs goes to standard error
    #[arg(short, long, value_parser = Format::without_columns(), default_value = "text", hide_default_value = true, value_name = "FORM")]
    pub output: Format,
    /// Where the operator runs
    #[command(flatten)]
    pub operator: OperatorArguments,
}

/// Where the operator runs, for pages that are reached by a port-forward.
#[derive(Clone, Debug, Args)]
pub struct OperatorArguments {
    /// Namespace of the operator, for the port-forward to its pages
    #[arg(long, default_value = "jira-connection-operator", value_name = "NAMESPACE")]
    pub operator_namespace: String,
    /// Port of the pages in the operator's pod. Absent: the container port `pages`, else that of the page's address
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Forward no port: the page's address is reachable already
    #[arg(long)]
    pub no_forward: bool,
}

/// `kubectl jira verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// Name of the `JiraConnection`
    pub name: ConnectionName,
    /// The code that Jira shows. Absent: it is read from standard input, where no process list shows it
    pub code: Option<String>,
    /// How long to wait for the outcome
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    pub timeout: Duration,
    /// Form of the output
    #[arg(short, long, value_parser = Format::without_columns(), default_value = "text", hide_default_value = true, value_name = "FORM")]
    pub output: Format,
}

/// `kubectl jira status`
#[derive(Debug, Args)]
pub struct Status {
    /// Name of the `JiraConnection`
    pub name: ConnectionName,
    /// Form of the output; `wide` adds the messages of the conditions
    #[arg(short, long, value_enum, default_value_t = Format::Text, hide_default_value = true, value_name = "FORM")]
    pub output: Format,
}

/// `kubectl jira revoke`
#[derive(Debug, Args)]
pub struct Revoke {
    /// Name of the `JiraConnection`
    pub name: ConnectionName,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
    /// How long to wait until it is done
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    pub timeout: Duration,
    /// Form of the output
    #[arg(short, long, value_parser = Format::without_columns(), default_value = "text", hide_default_value = true, value_name = "FORM")]
    pub output: Format,
}

/// `kubectl jira reconcile`
#[derive(Debug, Args)]
pub struct Reconcile {
    /// Name of a `JiraConnection`, or `binding/NAME`
    #[arg(required_unless_present = "all_namespaces", value_name = "NAME")]
    pub subject: Option<Subject>,
    /// Every `JiraConnection` of every namespace
    #[arg(short = 'A', long, conflicts_with = "subject")]
    pub all_namespaces: bool,
    /// Wait until the operator has taken it up
    #[arg(long, default_value_t = true, num_args = 0..=1, default_missing_value = "true", require_equals = true, action = clap::ArgAction::Set)]
    pub wait: bool,
    /// How long to wait
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    pub timeout: Duration,
}

/// `kubectl jira suspend` and `kubectl jira resume`
#[derive(Debug, Args)]
pub struct Suspend {
    /// Name of a `JiraConnection`, or `binding/NAME`
    #[arg(value_name = "NAME")]
    pub subject: Subject,
}

/// `kubectl jira why`
#[derive(Debug, Args)]
pub struct Why {
    /// `connection` or `binding`
    pub kind: Kind,
    /// Name of the object
    pub name: String,
    /// Form of the output
    #[arg(short, long, value_parser = Format::without_columns(), default_value = "text", hide_default_value = true, value_name = "FORM")]
    pub output: Format,
}

/// `kubectl jira permissions`
#[derive(Debug, Args)]
pub struct Permissions {
    /// Name of the `JiraConnection`
    pub name: ConnectionName,
    /// Form of the output; `wide` adds who asks for each project
    #[arg(short, long, value_enum, default_value_t = Format::Text, hide_default_value = true, value_name = "FORM")]
    pub output: Format,
}

/// `kubectl jira check`
#[derive(Debug, Args)]
pub struct Check {
    /// File or folder with manifests in YAML or JSON; `-` is standard input; may be given several times
    #[arg(short, long = "filename", required = true, num_args = 1.., value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub files: Vec<PathBuf>,
    /// Look into the folders of a folder too
    #[arg(short = 'R', long)]
    pub recursive: bool,
    /// Form of the output
    #[arg(short, long, value_parser = Format::without_columns(), default_value = "text", hide_default_value = true, value_name = "FORM")]
    pub output: Format,
    /// Ask Jira too, as the operator would; contacts the host of the connection in the files
    #[arg(long)]
    pub live: bool,
    /// What `--live` needs besides.
    #[command(flatten)]
    pub asking: LiveArguments,
}

impl Check {
    /// Whether two flags want standard input, which is there once.
    #[must_use]
    pub fn reads_standard_input_twice(&self) -> bool {
        let LiveArguments { credential_file, headers_file, ca_file, .. } = &self.asking;
        let named = self.files.iter().chain(credential_file).chain(headers_file).chain(ca_file);
        named.filter(|path| path.as_os_str() == STANDARD_INPUT).count() > 1
    }
}

/// What `kubectl jira check --live` needs besides the manifests.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "With --live")]
pub struct LiveArguments {
    /// Which connection to ask, as NAME or NAMESPACE/NAME, where the files hold several
    #[arg(long, requires = "live", value_name = "NAME")]
    pub connection: Option<String>,
    /// File with the token, or with a client: JSON with clientId and clientSecret, or a line for each; `-` is standard input
    #[arg(long, requires = "live", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub credential_file: Option<PathBuf>,
    /// File with the values of the headers in spec.headers, in lines `Name: value`
    #[arg(long, requires = "live", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub headers_file: Option<PathBuf>,
    /// File with the CA certificates of spec.tls.caRef, or with others to trust where the connection names none
    #[arg(long, requires = "live", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,
    /// Who may be contacted, as the operator is told it.
    #[command(flatten)]
    pub network: NetworkArguments,
}

impl LiveArguments {
    /// The network of these flags, for one connection.
    ///
    /// # Errors
    /// [`InvalidNetwork`]
    pub fn network(&self, connection: &JiraConnection) -> Result<Network, InvalidNetwork> {
        let mut network = self.network.clone();
        let names_none = connection.spec.tls.as_ref().is_none_or(|tls| tls.ca_ref.is_none());
        if names_none && self.ca_file.is_some() {
            network.extra_ca.clone_from(&self.ca_file);
        }
        network.network()
    }
}

/// `kubectl jira completion`
#[derive(Debug, Args)]
pub struct Completion {
    /// The shell
    pub shell: Shell,
}

/// `kubectl jira man`
#[derive(Debug, Args)]
pub struct Manual {
    /// The command; absent: the page of all
    pub command: Option<String>,
}

/// What `kubectl_complete-jira` asks.
#[derive(Debug, Args)]
pub struct CompleteWords {
    /// The words after `kubectl jira`; the last is the one to complete
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, error::ErrorKind};
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[rstest]
    #[case::flags_may_follow(&["status", "acme", "-n", "platform", "--context", "c", "-o", "json"])]
    #[case::names_as_kubectl_prints_them(&["status", "jiraconnection.issuetracking.dev/acme"])]
    #[case::binding(&["reconcile", "binding/web", "--wait=false"])]
    #[case::all(&["reconcile", "-A"])]
    #[case::several_files(&["check", "-f", "a.yaml", "b.yaml", "-f", "c.yaml"])]
    #[case::as_somebody(&["status", "acme", "--as", "jane", "--as-group", "a", "--as-group", "b"])]
    fn what_users_of_kubectl_write_is_understood(#[case] words: &[&str]) {
        let parsed = Arguments::try_parse_from([&["kubectl-jira"], words].concat());
        assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
    }

    #[rstest]
    #[case::nothing(&[], ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand)]
    #[case::no_name(&["status"], ErrorKind::MissingRequiredArgument)]
    #[case::wrong_kind(&["authorize", "binding/web"], ErrorKind::ValueValidation)]
    #[case::no_duration(&["authorize", "acme", "--timeout", "soon"], ErrorKind::ValueValidation)]
    #[case::name_and_all(&["reconcile", "acme", "-A"], ErrorKind::ArgumentConflict)]
    #[case::unknown_kind(&["why", "pod", "web"], ErrorKind::ValueValidation)]
    fn what_makes_no_sense_is_a_usage_error(#[case] words: &[&str], #[case] kind: ErrorKind) {
        let error = Arguments::try_parse_from([&["kubectl-jira"], words].concat()).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(error.exit_code(), 2);
    }
}
