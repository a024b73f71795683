//! As whom the REST API is called.

use serde::Deserialize;

use super::{
    Jira,
    answer::Answer,
    endpoint::Endpoint,
    problem::{Gibberish, Problem, Rejection},
    session::Session,
    text::{clean, is_plain},
};

/// The longest account id that is believed, in bytes; Cloud's have at most 128, Data Center's keys 255.
const LONGEST_ID: usize = 255;

/// The account that a credential belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Cloud: the account id. Data Center: the user's key, which survives a change of name; the name where there is no key.
    pub id: String,
    /// The name that Jira shows, cleaned; may be empty.
    pub display_name: String,
    /// Whose account it is.
    pub kind: AccountKind,
}

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// A person's, on Cloud.
    Person,
    /// A service account of a Cloud organisation.
    ServiceAccount,
    /// An app's or an agent's, on Cloud.
    App,
    /// A customer's of Jira Service Management, on Cloud.
    Customer,
    /// Jira does not say; Data Center never does.
    Unknown,
}

impl Jira {
    /// Asks who the credential belongs to: `GET myself`, the one resource that answers nobody anonymously.
    ///
    /// # Errors
    /// [`Problem::Rejected`] where the credential proves nobody, or an account that is deactivated or deleted. Else any
    /// [`Problem`] of an exchange.
    pub async fn account(&self, session: &Session) -> Result<Account, Problem> {
        let answer = self.get(session, Endpoint::Myself, "", &[]).await?;
        parse(&answer, session.base.is_cloud())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    account_id: Option<String>,
    account_type: Option<String>,
    app_type: Option<String>,
    key: Option<String>,
    name: Option<String>,
    display_name: Option<String>,
    active: Option<bool>,
    deleted: Option<bool>,
}

fn parse(answer: &Answer, cloud: bool) -> Result<Account, Problem> {
    let user: User = answer.read()?;
    // Cloud's examples have the fields of Data Center as empty strings.
    let ids = if cloud { [user.account_id, None] } else { [user.key, user.name] };
    let id = ids.into_iter().flatten().find(|it| !it.is_empty());
    let id = id.filter(|it| it.len() <= LONGEST_ID && is_plain(it));
    let id = id.ok_or(Problem::NotJira(Gibberish::Content))?;
    if user.active == Some(false) || user.deleted == Some(true) {
        return Err(Problem::Rejected(Rejection::Inactive));
    }
    let kind = if cloud { kind(user.account_type.as_deref(), user.app_type.as_deref()) } else { AccountKind::Unknown };
    Ok(Account { id, display_name: clean(user.display_name.as_deref().unwrap_or_default()), kind })
}

fn kind(account_type: Option<&str>, app_type: Option<&str>) -> AccountKind {
    match (account_type, app_type) {
        (Some("atlassian"), _) => AccountKind::Person,
        (Some("app"), Some("service")) => AccountKind::ServiceAccount,
        (Some("app"), _) => AccountKind::App,
        (Some("customer"), _) => AccountKind::Customer,
        (_, _) => AccountKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, AccountKind, Answer, Gibberish, Problem, Rejection, parse};
    use rstest::rstest;

    fn answer(body: &str) -> Answer {
        Answer { status: 200, headers: reqwest::header::HeaderMap::new(), body: body.into() }
    }

    #[rstest]
    #[case::person(
        true,
        r#"{"accountId":"a1","accountType":"atlassian","key":"","name":"","active":true}"#,
        "a1",
        AccountKind::Person
    )]
    #[case::service(
        true,
        r#"{"accountId":"a1","accountType":"app","appType":"service"}"#,
        "a1",
        AccountKind::ServiceAccount
    )]
    #[case::agent(true, r#"{"accountId":"a1","accountType":"app","appType":"agent"}"#, "a1", AccountKind::App)]
    #[case::app(true, r#"{"accountId":"a1","accountType":"app"}"#, "a1", AccountKind::App)]
    #[case::customer(true, r#"{"accountId":"a1","accountType":"customer"}"#, "a1", AccountKind::Customer)]
    #[case::unknown(
        true,
        r#"{"accountId":"a1","accountType":"unknown","emailAddress":null}"#,
        "a1",
        AccountKind::Unknown
    )]
    #[case::data_center(
        false,
        r#"{"key":"JIRAUSER10100","name":"fake.bot","active":true,"deleted":false}"#,
        "JIRAUSER10100",
        AccountKind::Unknown
    )]
    #[case::old_server(false, r#"{"name":"fake.bot","accountType":"atlassian"}"#, "fake.bot", AccountKind::Unknown)]
    fn an_account_is_read(#[case] cloud: bool, #[case] body: &str, #[case] id: &str, #[case] kind: AccountKind) {
        let expected = Account { id: id.to_owned(), display_name: String::new(), kind };
        assert_eq!(parse(&answer(body), cloud), Ok(expected));
    }

    #[rstest]
    #[case::deactivated(false, r#"{"key":"k","active":false}"#, Problem::Rejected(Rejection::Inactive))]
    #[case::deleted(false, r#"{"key":"k","active":true,"deleted":true}"#, Problem::Rejected(Rejection::Inactive))]
    #[case::closed(true, r#"{"accountId":"a","active":false}"#, Problem::Rejected(Rejection::Inactive))]
    #[case::other_dialect(true, r#"{"key":"k"}"#, Problem::NotJira(Gibberish::Content))]
    #[case::empty_id(true, r#"{"accountId":""}"#, Problem::NotJira(Gibberish::Content))]
    #[case::hostile_id(true, r#"{"accountId":"a\nb"}"#, Problem::NotJira(Gibberish::Content))]
    #[case::no_object(false, "[]", Problem::NotJira(Gibberish::Content))]
    fn who_proves_nobody_is_refused(#[case] cloud: bool, #[case] body: &str, #[case] problem: Problem) {
        assert_eq!(parse(&answer(body), cloud), Err(problem));
    }

    #[test]
    fn the_shown_name_is_cleaned() {
        let account = parse(&answer(r#"{"key":"k","displayName":"Fake\u202e\n Bot"}"#), false).unwrap();
        assert_eq!(account.display_name, "Fake Bot");
    }
}
