//! `kubectl jira`: what a person does with connections and bindings, with his own rights and no others.
//!
//! Commands write declarations only: keys of the authorization Secret, an annotation, `spec.suspend`. What follows is the
//! operator's work, and the commands wait for what it says.

pub mod arguments;
pub mod authorization;
pub mod authorize;
pub mod check;
pub mod checked;
pub mod cluster;
pub mod completion;
pub mod console;
pub mod error;
pub mod format;
pub mod forward;
pub mod man;
pub mod need;
pub mod page;
pub mod palette;
pub mod permissions;
pub mod reconcile;
pub mod record;
pub mod revoke;
pub mod status;
pub mod subject;
pub mod suspend;
pub mod table;
pub mod verdict;
pub mod verify;
pub mod why;

use self::{
    arguments::{Arguments, Command},
    cluster::Cluster,
    console::Console,
    error::Error,
    suspend::Switch,
    verdict::Verdict,
};

/// Does what the arguments say.
///
/// # Errors
/// Why it could not be done; [`Error::exit_status`] is the program's.
pub async fn run(arguments: Arguments, console: Console) -> Result<Verdict, Error> {
    let Arguments { cluster, command } = arguments;
    let connect = || Cluster::connect(&cluster);
    match &command {
        Command::Authorize(arguments) => authorize::run(arguments, &connect().await?, console).await,
        Command::Verify(arguments) => verify::run(arguments, &connect().await?, console).await,
        Command::Status(arguments) => status::run(arguments, &connect().await?, console).await,
        Command::Revoke(arguments) => revoke::run(arguments, &connect().await?, console).await,
        Command::Reconcile(arguments) => reconcile::run(arguments, &connect().await?, console).await,
        Command::Suspend(arguments) => suspend::run(arguments, Switch::Off, &connect().await?, console).await,
        Command::Resume(arguments) => suspend::run(arguments, Switch::On, &connect().await?, console).await,
        Command::Why(arguments) => why::run(arguments, &connect().await?, console).await,
        Command::Permissions(arguments) => permissions::run(arguments, &connect().await?, console).await,
        Command::Check(arguments) => check::run(arguments, cluster.namespace.as_deref(), console).await,
        Command::Man(arguments) => man::page(arguments, console),
        Command::Completion(arguments) => completion::script(arguments, console),
        Command::CompleteWords(arguments) => completion::words(arguments, console),
    }
}
