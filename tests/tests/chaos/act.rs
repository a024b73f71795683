//! What people do.

use tests::dice::Dice;

/// The connections of a world that nobody has to authorise.
pub const CONNECTIONS: [&str; 2] = ["center", "cloud"];

pub const TEAMS: [&str; 2] = ["web", "app"];

pub const PROJECTS: [&str; 3] = ["WEB", "APP", "OPS"];

/// One deed, at a connection where it names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A new token, in Jira and then in the Secret; the old one ends.
    Rotate(&'static str),
    /// A wrong token in the Secret.
    Spoil(&'static str),
    /// The Secret is deleted.
    Lose(&'static str),
    /// The Secret is right again.
    Mend(&'static str),
    /// The longest time for a request.
    Edit(&'static str, &'static str),
    /// How many projects the connection needs for itself.
    Require(&'static str, u8),
    Suspend(&'static str),
    Resume(&'static str),
    /// Who may bind: everybody, or the namespaces of a team.
    Allow(&'static str, Option<&'static str>),
    /// The namespace changes its team.
    Label(&'static str),
    /// A binding of this number, to so many projects.
    Bind(u8, &'static str, u8),
    Unbind(u8),
    /// Deleted and made anew under the same name.
    Recreate(&'static str),
    /// Somebody asks for a check.
    Ask(&'static str),
    /// An admin of Jira gives the account a permission, or takes it away.
    Grant(&'static str, &'static str),
    Revoke(&'static str, &'static str),
    /// The access token of the connection that a person has authorised ends, once in a life, and it has to be renewed.
    Expire,
}

impl Act {
    pub fn thrown(dice: &mut Dice) -> Self {
        let connection = dice.pick(&CONNECTIONS);
        match dice.below(20) {
            0 | 1 => Self::Rotate(connection),
            2 => Self::Spoil(connection),
            3 => Self::Lose(connection),
            4 => Self::Mend(connection),
            5 => Self::Edit(connection, dice.pick(&["3s", "4s", "5s"])),
            6 => Self::Require(connection, few(dice, 4)),
            7 => Self::Suspend(connection),
            8 => Self::Resume(connection),
            9 => Self::Allow(connection, dice.coin().then(|| dice.pick(&TEAMS))),
            10 => Self::Label(dice.pick(&TEAMS)),
            11 | 12 => Self::Bind(few(dice, 3), connection, 1 + few(dice, 3)),
            13 => Self::Unbind(few(dice, 3)),
            14 => Self::Recreate(connection),
            15 => Self::Ask(connection),
            16 => Self::Grant(connection, dice.pick(&PROJECTS)),
            17 => Self::Revoke(connection, dice.pick(&PROJECTS)),
            _ => Self::Expire,
        }
    }
}

fn few(dice: &mut Dice, below: u32) -> u8 {
    u8::try_from(dice.below(below)).unwrap()
}
