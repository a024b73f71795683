//! `serverInfo`, `myself` and users.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::super::instance::{Account, AccountStatus, Deployment, ServiceAccountMyself};
use super::super::message::Reply;
use super::{Entitlement, Visit};

const NO_COMMIT: &str = "0000000000000000000000000000000000000000";

/// Build number as Data Center derives it from its version: `10.3.19` is `10030019`.
pub(in super::super) fn build_number(version: &str) -> u64 {
    let [major, minor, patch] = numbers(version);
    major * 1_000_000 + minor * 10_000 + patch
}

fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    [parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0)]
}

fn moment(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

impl Visit<'_> {
    pub(super) fn server_info(&self) -> Reply {
        let base = self.site.base_url();
        let body = match &self.site.instance.deployment {
            Deployment::Cloud(site) => json!({
                "baseUrl": base, "version": "1001.0.0-SNAPSHOT", "versionNumbers": [1001, 0, 0],
                "deploymentType": "Cloud", "buildNumber": 100_000, "buildDate": "2026-01-01T00:00:00.000+0000",
                "serverTime": moment(self.now), "serverTimeZone": "Etc/UTC", "defaultLocale": {"locale": "en_US"},
                "scmInfo": NO_COMMIT, "serverTitle": site.title, "displayUrl": base, "displayUrlConfluence": base,
                "displayUrlServicedeskHelpCenter": base}),
            Deployment::DataCenter(center) => json!({
                "baseUrl": base, "version": center.version, "versionNumbers": numbers(&center.version),
                "deploymentType": "Server", "buildNumber": build_number(&center.version),
                "buildDate": "2026-01-01T00:00:00.000+0000", "databaseBuildNumber": build_number(&center.version),
                "serverTime": moment(self.now), "scmInfo": NO_COMMIT, "serverTitle": center.title}),
        };
        Reply::json(200, &body)
    }

    fn account(&self) -> Option<&Account> {
        self.caller.account.as_deref().and_then(|id| self.site.instance.account(id))
    }

    pub(super) fn cloud_myself(&self) -> Reply {
        match self.account() {
            Some(account) => Reply::json(200, &self.cloud_user(account)),
            None => self.unauthenticated(),
        }
    }

    fn cloud_user(&self, account: &Account) -> Value {
        let mut user = json!({
            "self": self.link(&format!("user?accountId={}", account.id)), "accountId": account.id,
            "accountType": account.account_type, "emailAddress": account.email, "displayName": account.display_name,
            "active": account.status == AccountStatus::Active, "timeZone": "Etc/UTC", "locale": "en_US",
            "avatarUrls": {}, "groups": {"size": 1, "items": []}, "applicationRoles": {"size": 1, "items": []},
            "expand": "groups,applicationRoles"});
        if let Some(app_type) = account.app_type {
            user["appType"] = json!(app_type);
        }
        user
    }

    pub(super) fn center_myself(&self) -> Reply {
        let Some(account) = self.account() else {
            return self.unauthenticated();
        };
        if let Entitlement::ServiceAccount(_) = self.caller.entitlement {
            match self.site.instance.switches.service_account_myself {
                ServiceAccountMyself::Shown => {}
                ServiceAccountMyself::Unauthorized => return Reply::unauthenticated(),
                ServiceAccountMyself::Forbidden => return Reply::errors(403, "Forbidden"),
                ServiceAccountMyself::NotFound => return Reply::errors(404, "The user does not exist."),
            }
        }
        Reply::json(200, &self.center_user(account))
    }

    fn center_user(&self, account: &Account) -> Value {
        json!({"self": self.link(&format!("user?username={}", account.name)), "key": account.id, "name": account.name,
               "emailAddress": account.email, "displayName": account.display_name,
               "active": account.status == AccountStatus::Active, "deleted": false, "timeZone": "Etc/UTC",
               "locale": "en_US", "lastLoginTime": "2026-01-02T03:04:05+0000", "avatarUrls": {},
               "groups": {"size": 1, "items": []}, "applicationRoles": {"size": 1, "items": []},
               "expand": "groups,applicationRoles"})
    }

    /// A user as other answers show it.
    pub(super) fn user(&self, account: &Account) -> Value {
        if self.is_cloud() { self.cloud_user(account) } else { self.center_user(account) }
    }

    /// Users whose name or address holds a text; none without the right to browse users.
    pub(super) fn users(&self, text: Option<&str>) -> Reply {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Reply::errors(400, "The query parameter is required.");
        };
        let text = text.to_lowercase();
        let matches = |account: &&Account| {
            let shown = [Some(&account.name), Some(&account.display_name), account.email.as_ref()];
            shown.into_iter().flatten().any(|value| value.to_lowercase().contains(&text))
        };
        let allowed = self.has_global("USER_PICKER");
        let found = self.site.instance.accounts.iter().filter(|_| allowed).filter(matches);
        let found: Vec<Value> = found.map(|account| self.user(account)).collect();
        Reply::json(200, &Value::Array(found))
    }
}
