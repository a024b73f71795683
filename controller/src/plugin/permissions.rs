//! `permissions`: which permissions are granted and missing, with a text for the Jira admin.

mod grid;
mod letter;

use crds::{JiraConnection, WorkspaceBinding};
use kube::{Api, ResourceExt, api::ListParams};
use serde::Serialize;

use self::grid::Grid;
use super::{
    arguments::Permissions, cluster::Cluster, console::Console, error::Error, format::Format, verdict::Verdict,
};
use crate::acceptance::named_connection;

/// Shows the permissions of a connection and of the bindings that use it.
///
/// # Errors
/// When the connection does not exist or may not be read. Bindings that may not be listed are left out, and it is said.
pub async fn run(arguments: &Permissions, cluster: &Cluster, console: Console) -> Result<Verdict, Error> {
    let connection = cluster.connection(&arguments.name.0).await?;
    let bindings = bindings(cluster, &connection, console).await?;
    let grid = Grid::of(&connection, &bindings);
    let letter = letter::to_the_admin(&connection, &grid);
    let answer = Answer { rows: &grid, letter: letter.as_deref() };
    if let Some(document) = arguments.output.document(&answer)? {
        console.say(&document)?;
        return Ok(grid.verdict());
    }
    console.say(&grid.text(arguments.output == Format::Wide, console.palette))?;
    if let Some(letter) = &letter {
        console.say(&format!("\nTo send to the Jira admin:\n\n{letter}"))?;
    }
    Ok(grid.verdict())
}

/// What programs get.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    rows: &'a Grid,
    #[serde(rename = "textForAdmin", skip_serializing_if = "Option::is_none")]
    letter: Option<&'a str>,
}

/// The bindings that name the connection, as far as the caller may list them.
async fn bindings(
    cluster: &Cluster,
    connection: &JiraConnection,
    console: Console,
) -> Result<Vec<WorkspaceBinding>, Error> {
    let everywhere = Api::<WorkspaceBinding>::all(cluster.client.clone());
    let what = "listing the WorkspaceBindings of all namespaces";
    let listed = match everywhere.list(&ListParams::default()).await.map_err(|error| Error::api(what, error)) {
        Err(Error::Forbidden { .. }) => {
            let what = format!("listing the WorkspaceBindings of namespace {}", cluster.namespace);
            match cluster
                .all::<WorkspaceBinding>()
                .list(&ListParams::default())
                .await
                .map_err(|error| Error::api(what, error))
            {
                Err(Error::Forbidden { .. }) => {
                    console
                        .remark("You may not list WorkspaceBindings: only the connection's own permissions are shown.");
                    return Ok(Vec::new());
                }
                listed => {
                    console.remark(&format!(
                        "You may list the WorkspaceBindings of namespace {} only: those of others are not shown.",
                        cluster.namespace
                    ));
                    listed?
                }
            }
        }
        listed => listed?,
    };
    let place = (connection.namespace().unwrap_or_default(), connection.name_any());
    Ok(listed.items.into_iter().filter(|binding| named_connection(binding) == place).collect())
}
