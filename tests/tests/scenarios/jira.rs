//! The Jira of one test: an instance of the shared simulator.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tests::jira::{self, Entry, Fault, Instance, Mark, Mutation, Rule, Simulator};

/// The seven permissions of a workspace.
pub(crate) const SEVEN: [&str; 7] = [
    "BROWSE_PROJECTS",
    "CREATE_ISSUES",
    "EDIT_ISSUES",
    "TRANSITION_ISSUES",
    "CREATE_ATTACHMENTS",
    "ADD_COMMENTS",
    "DELETE_ALL_COMMENTS",
];

const CENTER: &str = r"
name: NAME
deployment: { type: DataCenter, version: '9.12.4', contextPath: /jira }
accounts:
  - id: JIRAUSER10100
    name: bot
    displayName: Build Bot
    email: bot@example.test
    globalPermissions: [USER_PICKER]
    credentials:
      - { type: PersonalAccessToken, token: sesame-pat-NAME }
      - { type: PersonalAccessToken, token: sesame-second-pat-NAME }
  - id: JIRAUSER10200
    name: other
    displayName: Other Bot
    email: other@example.test
    globalPermissions: [USER_PICKER]
    credentials:
      - { type: PersonalAccessToken, token: sesame-other-pat-NAME }
  - id: robot
    displayName: Service Robot
    principal: ServiceAccount
    credentials:
      - { type: ClientCredentials, clientId: client-NAME, secret: sesame-secret-NAME, scopes: [WRITE] }
projects:
  - { id: 10001, key: WEB, name: Web Site, grants: { JIRAUSER10100: SEVEN, JIRAUSER10200: SEVEN, robot: SEVEN } }
  - { id: 10002, key: APP, name: Mobile App, grants: { JIRAUSER10100: SEVEN, JIRAUSER10200: SEVEN, robot: SEVEN } }
";

const CLOUD: &str = r"
name: NAME
deployment: { type: Cloud, cloudId: CLOUD_ID }
accounts:
  - id: alice
    displayName: Alice
    email: alice@example.test
    globalPermissions: [USER_PICKER]
    credentials:
      - { type: ApiToken, token: sesame-classic-NAME }
      - { type: ApiToken, token: sesame-scoped-NAME, scopes: ['read:jira-user', 'read:jira-work', 'write:jira-work'] }
      - { type: ApiToken, token: sesame-narrow-NAME, scopes: ['read:jira-user'] }
  - id: robot
    displayName: Service Robot
    email: robot@example.test
    accountType: app
    appType: service
    globalPermissions: [USER_PICKER]
    credentials:
      - { type: ClientCredentials, clientId: client-NAME, secret: sesame-secret-NAME, scopes: ['read:jira-user', 'read:jira-work', 'write:jira-work'] }
projects:
  - { id: 10001, key: WEB, name: Web Site, grants: { alice: SEVEN, robot: SEVEN } }
  - { id: 10002, key: APP, name: Mobile App, grants: { alice: SEVEN, robot: SEVEN } }
";

/// One instance of the shared simulator.
#[derive(Clone, Debug)]
pub(crate) struct Jira {
    pub(crate) name: String,
    pub(crate) url: String,
}

impl Jira {
    /// A Data Center 9.12.4 below `/jira`, with two users, a service account and the projects WEB and APP.
    pub(crate) fn center() -> Self {
        Self::center_with(|_| {})
    }

    /// The same, changed before it answers anybody.
    pub(crate) fn center_with(change: impl FnOnce(&mut Instance)) -> Self {
        Self::add(CENTER, change)
    }

    /// A Cloud site with a person, a service account and the projects WEB and APP.
    pub(crate) fn cloud() -> Self {
        Self::cloud_with(|_| {})
    }

    /// The same, changed before it answers anybody.
    pub(crate) fn cloud_with(change: impl FnOnce(&mut Instance)) -> Self {
        Self::add(CLOUD, change)
    }

    fn add(world: &str, change: impl FnOnce(&mut Instance)) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("jira{number}");
        let seven = format!("[{}]", SEVEN.join(", "));
        let cloud_id = format!("{number:08x}-2222-3333-4444-555555555555");
        let yaml = world.replace("NAME", &name).replace("CLOUD_ID", &cloud_id).replace("SEVEN", &seven);
        let mut instance: Instance = serde_yaml::from_str(&yaml).unwrap();
        change(&mut instance);
        let url = Self::simulator().add(instance).unwrap();
        Self { name, url }
    }

    pub(crate) fn simulator() -> &'static Simulator {
        jira::shared()
    }

    /// A token or secret of this instance: `sesame-WHICH-NAME`.
    pub(crate) fn secret(&self, which: &str) -> String {
        format!("sesame-{which}-{}", self.name)
    }

    /// Host and port, as messages name them.
    pub(crate) fn host(&self) -> String {
        let rest = self.url.trim_start_matches("https://");
        rest.split('/').next().unwrap().to_owned()
    }

    pub(crate) fn is_cloud(&self) -> bool {
        Self::simulator().instance(&self.name).unwrap().cloud_id().is_some()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Instance)) {
        Self::simulator().update(&self.name, change).unwrap();
    }

    /// Changes one thing; the mutation is written as the control endpoint takes it.
    pub(crate) fn mutate(&self, mutation: Value) {
        let mutation: Mutation = serde_json::from_value(mutation).unwrap();
        Self::simulator().mutate(&self.name, &mutation).unwrap();
    }

    /// Lets a fault strike every request.
    pub(crate) fn fails(&self, fault: Fault) {
        self.strikes(Rule::every(fault));
    }

    pub(crate) fn strikes(&self, rule: Rule) {
        Self::simulator().fault(&self.name, rule).unwrap();
    }

    pub(crate) fn heal(&self) {
        Self::simulator().heal(&self.name).unwrap();
    }

    pub(crate) fn mark() -> Mark {
        Self::simulator().journal().mark()
    }

    /// What this Jira, or the gateway or token endpoint for it, was asked since a mark.
    pub(crate) fn entries(&self, since: Mark) -> Vec<Entry> {
        Self::simulator().journal().of(&self.name, since)
    }

    /// The same in words: `GET /rest/api/2/myself`, and for Atlassian's own hosts `api GET …`, `auth POST …`.
    pub(crate) fn asked(&self, since: Mark) -> Vec<String> {
        self.entries(since).iter().map(|entry| self.told(entry)).collect()
    }

    /// How often a resource was asked since a mark.
    pub(crate) fn count(&self, since: Mark, resource: &str) -> usize {
        self.asked(since).iter().filter(|asked| asked.ends_with(resource)).count()
    }

    fn told(&self, entry: &Entry) -> String {
        let instance = Self::simulator().instance(&self.name).unwrap();
        let prefix = match instance.cloud_id() {
            Some(id) => format!("/ex/jira/{id}"),
            None => instance.context_path().to_owned(),
        };
        let path = entry.path.strip_prefix(&prefix).unwrap_or(&entry.path);
        let place = if entry.listener == self.name { String::new() } else { format!("{} ", entry.listener) };
        format!("{place}{} {path}", entry.method)
    }

    /// The journal since the beginning, with statuses and accounts.
    pub(crate) fn transcript(&self) -> String {
        let line = |entry: &Entry| {
            let status = entry.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            let (asked, who) = (self.told(entry), entry.account.as_deref().unwrap_or("nobody"));
            let query = entry.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
            format!("{:>9} ms  {status}  {asked}{query}  as {who}", entry.elapsed_millis)
        };
        self.entries(Mark::default()).iter().map(line).collect::<Vec<_>>().join("\n")
    }
}
