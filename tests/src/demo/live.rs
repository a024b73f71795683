//! The live change: Jira revokes a token, the connection of `04-binding.yaml` turns, the token is rotated, it turns back.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    Error,
    installation::{Difference, Installation},
    outcome::Outcome,
    world::NEW_TOKEN,
};

/// How long a turn may take.
const LIMIT: Duration = Duration::from_secs(15);

const REJECTED: [&str; 2] = [
    "JiraConnection platform/tracker Ready=False reason=CredentialsRejected state=NotAuthorized",
    "WorkspaceBinding web/accessibility Ready=False reason=ConnectionNotReady state=NotAuthorized",
];
const RECOVERED: [&str; 2] = [
    "JiraConnection platform/tracker Ready=True reason=ConnectionVerified state=Authorized",
    "WorkspaceBinding web/accessibility Ready=True reason=BindingVerified state=Authorized",
];

/// The two turns of the live change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveChange {
    /// Jira revokes the token, and an admin asks for a check at once.
    Revocation,
    /// Jira issues another token, and an admin puts it into the Secret.
    Rotation,
}

/// What an admin did in a turn, and what did not come of it.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The command that an admin would type.
    pub command: String,
    /// What kubectl answered.
    pub answer: String,
    /// What was announced and did not come within 15 seconds.
    pub differences: Vec<Difference>,
}

impl LiveChange {
    /// Makes the change and waits for what it brings about.
    ///
    /// # Errors
    ///
    /// When the simulator, kubectl or the API server fails.
    pub async fn make(self, installation: &Installation) -> Result<Turn, Error> {
        let arguments = match self {
            Self::Revocation => {
                installation.world.revoke_token()?;
                annotation()
            }
            Self::Rotation => {
                installation.world.issue_token()?;
                patch()
            }
        };
        let answer = installation.kubectl(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let differences = installation.differences(&self.announced()?, LIMIT).await?;
        Ok(Turn { command: command(&arguments), answer, differences })
    }

    /// What the change brings about.
    fn announced(self) -> Result<Vec<Outcome>, Error> {
        let announced = match self {
            Self::Revocation => REJECTED,
            Self::Rotation => RECOVERED,
        };
        Ok(announced.iter().map(|outcome| outcome.parse()).collect::<Result<_, _>>()?)
    }
}

fn annotation() -> Vec<String> {
    let wish = format!("{}={}", crds::REQUESTED_AT, Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ"));
    ["annotate", "jiraconnection", "tracker", "-n", "platform", "--overwrite", &wish].map(str::to_owned).to_vec()
}

fn patch() -> Vec<String> {
    let secret = format!(r#"{{"stringData":{{"token":"{NEW_TOKEN}"}}}}"#);
    ["patch", "secret", "tracker-token", "-n", "platform", "--type", "merge", "-p", &secret].map(str::to_owned).to_vec()
}

/// The command as it is typed into a shell.
fn command(arguments: &[String]) -> String {
    let quoted = |word: &String| if word.contains('"') { format!("'{word}'") } else { word.clone() };
    format!("kubectl {}", arguments.iter().map(quoted).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_turns_announce_outcomes() {
        for change in [LiveChange::Revocation, LiveChange::Rotation] {
            assert_eq!(change.announced().unwrap().len(), 2);
        }
    }

    #[test]
    fn json_is_quoted_for_the_shell() {
        assert!(command(&patch()).ends_with(r#"-p '{"stringData":{"token":"not-a-real-token-that-replaces-it"}}'"#));
    }
}
