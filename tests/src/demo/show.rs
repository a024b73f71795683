//! The demo from its beginning to its verdict.

use std::time::{Duration, Instant};

use super::{
    Error,
    example::Example,
    installation::{Difference, Installation},
    live::LiveChange,
    narration::Narration,
    outcome::Seen,
    world::World,
};
use crate::{
    controlplane::{ControlPlane, Options},
    operator,
};

/// How long the outcomes of one example may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How long those of all examples may take together.
const LIMIT_OF_ALL: Duration = Duration::from_secs(60);

/// Both kinds at once.
const OVERVIEW: [&str; 3] = ["get", "jiraconnections,workspacebindings", "-A"];

/// The columns of `-o wide` that fit on a line.
const DETAILS: [&str; 5] = [
    "get",
    "jiraconnections",
    "-n=platform",
    "-o",
    "custom-columns=NAME:.metadata.name,VERSION:.status.server.version,ACCOUNT:.status.account.displayName,\
     EXPIRES:.status.credentials.expiresAt,MISSING:.status.missingSummary",
];

/// The two objects of the live change.
const TRACKER: [&str; 4] = ["get", "jiraconnection/tracker", "-n", "platform"];
const ACCESSIBILITY: [&str; 4] = ["get", "workspacebinding/accessibility", "-n", "web"];

/// Whether all came out as announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    AsAnnounced,
    /// Something did not, and was printed.
    Otherwise,
}

/// Plays everything and returns the installation as it is at the end.
///
/// # Errors
///
/// When something cannot be started, applied or looked at.
pub async fn run(narration: &Narration) -> Result<(Installation, Verdict), Error> {
    narration.lines(
        "The operator at work on this machine: a Kubernetes control plane, Jira Cloud and Jira Data Center as simulators,\n\
         and the files of examples/. Nothing outside this machine is contacted, and nothing stays behind.",
    )?;
    let installation = set_up(narration).await?;
    let mut differences = play(&installation, narration).await?;
    narration.part("What an admin sees")?;
    overview(&installation, narration).await?;
    narration.part("A live change: Jira revokes the token of platform/tracker, and then the token is rotated")?;
    differences.extend(live_change(&installation, narration).await?);
    let verdict = conclude(&differences, narration)?;
    Ok((installation, verdict))
}

async fn set_up(narration: &Narration) -> Result<Installation, Error> {
    narration.part("Setting up")?;
    narration.step("Starting etcd, kube-apiserver and kube-controller-manager (the first time ever they are built, which takes minutes)")?;
    let control_plane = ControlPlane::start(Options::default()).await?;
    narration.step(&format!("The control plane serves at {}", control_plane.server()))?;
    let world = World::start()?;
    for (host, address) in world.hosts() {
        narration.step(&format!("Simulating {host} at {address}"))?;
    }
    narration.step("Building the operator, if it has changed")?;
    operator::build().await?;
    narration.step(
        "Installing the CRDs and config/rbac.yaml, starting the operator with the rights of its ServiceAccount",
    )?;
    let installation = Installation::open(control_plane, world).await?;
    narration.step("The operator is ready")?;
    Ok(installation)
}

/// Applies all examples, and then waits for the outcomes of each.
async fn play(installation: &Installation, narration: &Narration) -> Result<Vec<Difference>, Error> {
    let examples = Example::all()?;
    narration.part("Applying examples/, each of which announces its outcome in a comment")?;
    let started = Instant::now();
    for example in &examples {
        installation.apply(example).await?;
    }
    narration.step(&format!("Applied {} files; waiting for what they announce", examples.len()))?;
    let mut all = Vec::new();
    for example in &examples {
        let limit = LIMIT.min(LIMIT_OF_ALL.saturating_sub(started.elapsed()));
        let differences = installation.differences(&example.outcomes, limit).await?;
        let verdict = if differences.is_empty() { "as announced" } else { "NOT AS ANNOUNCED" };
        narration.step(&format!("{:<44} {verdict}", example.file))?;
        for outcome in &example.outcomes {
            narration.text(&outcome.to_string())?;
        }
        differences.iter().try_for_each(|it| tell(it, narration))?;
        all.extend(differences);
    }
    Ok(all)
}

/// The tables, and the messages of what is not ready.
async fn overview(installation: &Installation, narration: &Narration) -> Result<(), Error> {
    show(installation, narration, &OVERVIEW).await?;
    narration.lines("The column BINDINGS is brought up to date at most once a minute.\n")?;
    show(installation, narration, &DETAILS).await?;
    narration.lines("`kubectl get -o wide` also has the message. Of those that are not ready it says:\n")?;
    for example in Example::all()? {
        for outcome in &example.outcomes {
            let Some(Seen { outcome, message }) = installation.look(outcome).await? else { continue };
            if outcome.ready != "True" {
                narration.lines(&format!("{} {}/{}", outcome.kind.as_str(), outcome.namespace, outcome.name))?;
                narration.text(&message)?;
            }
        }
    }
    Ok(())
}

async fn live_change(installation: &Installation, narration: &Narration) -> Result<Vec<Difference>, Error> {
    narration.step("Before:")?;
    tracker(installation, narration).await?;
    narration.step("Jira revokes the token. The check within a minute would notice; an admin asks for one at once:")?;
    let revoked = LiveChange::Revocation.make(installation).await?;
    narration.command(&revoked.command, &revoked.answer)?;
    narration.step("The connection has turned, and with it the binding:")?;
    tracker(installation, narration).await?;
    narration.step(
        "Jira issues another token for the account. An admin puts it into the Secret, which is noticed at once:",
    )?;
    let rotated = LiveChange::Rotation.make(installation).await?;
    narration.command(&rotated.command, &rotated.answer)?;
    narration.step("Both have turned back:")?;
    tracker(installation, narration).await?;
    Ok([revoked.differences, rotated.differences].concat())
}

async fn tracker(installation: &Installation, narration: &Narration) -> Result<(), Error> {
    show(installation, narration, &TRACKER).await?;
    show(installation, narration, &ACCESSIBILITY).await
}

async fn show(installation: &Installation, narration: &Narration, arguments: &[&str]) -> Result<(), Error> {
    let output = installation.kubectl(arguments).await?;
    Ok(narration.command(&format!("kubectl {}", arguments.join(" ")), &output)?)
}

fn tell(difference: &Difference, narration: &Narration) -> Result<(), Error> {
    let seen = match &difference.seen {
        Some(Seen { outcome, message }) => format!("{outcome}: {message}"),
        None => "no status that speaks of the object as it is".to_owned(),
    };
    narration.text(&format!("announced: {}", difference.announced))?;
    Ok(narration.text(&format!("seen:      {seen}"))?)
}

fn conclude(differences: &[Difference], narration: &Narration) -> Result<Verdict, Error> {
    if differences.is_empty() {
        narration.step("Everything came out as announced.")?;
        return Ok(Verdict::AsAnnounced);
    }
    narration.step(&format!("Not as announced ({}):", differences.len()))?;
    differences.iter().try_for_each(|it| tell(it, narration))?;
    Ok(Verdict::Otherwise)
}
