//! Why a visitor does not get what he came for.

use axum::http::StatusCode;

/// Why a visitor does not get what he came for. Each says what happened and what to do next, and nothing that the visitor
/// did not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turnaway {
    /// There is no page at this address.
    NoPage,
    /// The page is there, but not for this HTTP method.
    Method,
    /// The address is longer than any that a page has.
    LongAddress,
    /// The body is longer than any form of ours.
    LongBody,
    /// The body is no form, or did not arrive in time.
    NoForm,
    /// The form was not sent by one of our own pages.
    CrossSite,
    /// The callback does not say what Jira says.
    NotAnAnswer,
    /// Nothing is under way for this browser: unknown, ended long ago, or somebody else's. Which of them is not told.
    NotUnderWay,
    /// Another browser has started the attempt.
    OtherBrowser,
    /// The time of the attempt is over.
    Expired,
    /// The attempt has its answer already.
    AlreadyUsed,
    /// Someone has asked for a newer attempt meanwhile.
    Replaced,
    /// The operator did not prepare the attempt in time.
    NotPrepared,
    /// The address of the attempt is none of the connection's Jira.
    ForeignAddress,
    /// The API server does not answer.
    Unavailable,
}

/// What a page says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wording {
    /// In a few words.
    pub title: &'static str,
    /// What happened.
    pub happened: &'static str,
    /// What to do next.
    pub next: &'static str,
}

impl Turnaway {
    /// Every one.
    #[cfg(test)]
    pub const ALL: [Self; 15] = [
        Self::NoPage,
        Self::Method,
        Self::LongAddress,
        Self::LongBody,
        Self::NoForm,
        Self::CrossSite,
        Self::NotAnAnswer,
        Self::NotUnderWay,
        Self::OtherBrowser,
        Self::Expired,
        Self::AlreadyUsed,
        Self::Replaced,
        Self::NotPrepared,
        Self::ForeignAddress,
        Self::Unavailable,
    ];

    /// The status of the answer (RFC 9110, 15).
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::NoPage => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::LongAddress => StatusCode::URI_TOO_LONG,
            Self::LongBody => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoForm | Self::NotAnAnswer => StatusCode::BAD_REQUEST,
            Self::CrossSite | Self::NotUnderWay | Self::OtherBrowser => StatusCode::FORBIDDEN,
            Self::Expired => StatusCode::GONE,
            Self::AlreadyUsed | Self::Replaced => StatusCode::CONFLICT,
            Self::ForeignAddress => StatusCode::BAD_GATEWAY,
            Self::NotPrepared | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What a page says of it.
    #[must_use]
    pub const fn wording(self) -> Wording {
        match self {
            Self::NoPage => Wording {
                title: "No page here",
                happened: "The operator has no page at this address.",
                next: "Check the address. If an ingress stands in front of the operator, it has to keep the path of \
                       the operator's --public-url, and must not strip it.",
            },
            Self::Method => Wording {
                title: "Not this way",
                happened: "This page is not asked for in this way.",
                next: "Go back and use the buttons of the page.",
            },
            Self::LongAddress => Wording {
                title: "Address too long",
                happened: "The address is longer than any that the operator, or Jira, makes.",
                next: "Check the address, or start again.",
            },
            Self::LongBody => Wording {
                title: "Too much was sent",
                happened: "The form that was sent is longer than any of the operator's.",
                next: "Go back and enter only what the page asks for.",
            },
            Self::NoForm => Wording {
                title: "The form did not arrive",
                happened: "What was sent is no form of the operator's, or it was cut off on its way.",
                next: "Go back and send it again.",
            },
            Self::CrossSite => Wording {
                title: "Sent from elsewhere",
                happened: "The form was not sent by a page of this operator, so nothing was done.",
                next: "Open the page by the link that kubectl jira authorize gave you, and use its buttons. If your \
                       browser is very old, use a newer one.",
            },
            Self::NotAnAnswer => Wording {
                title: "Not an answer from Jira",
                happened: "The address you came by does not carry what Jira sends after a decision. Nothing was recorded.",
                next: "Start again. If you came from Jira, check that nothing between Jira and the operator changes \
                       addresses.",
            },
            Self::NotUnderWay => Wording {
                title: "Nothing is under way here",
                happened: "No authorisation is under way in this browser for this address. It may have ended, or the \
                           operator may have changed its leader meanwhile, or it belongs to someone else. Nothing was \
                           recorded.",
                next: "Start again with a fresh key.",
            },
            Self::OtherBrowser => Wording {
                title: "Started in another browser",
                happened: "This authorisation was started in another browser, or this browser did not keep its cookie. \
                           Only the browser that started it can go on. Nothing was recorded.",
                next: "Go on in the browser where you pressed the button, and allow it to keep cookies. Or start again \
                       with a fresh key. If nobody you know has started it, someone else holds your key: start again at once.",
            },
            Self::Expired => Wording {
                title: "The link has expired",
                happened: "The time for this authorisation is over: 15 minutes, or 10 for OAuth 1.0a. Nothing was recorded.",
                next: "Start again with a fresh key, and decide at Jira within that time.",
            },
            Self::AlreadyUsed => Wording {
                title: "Already used",
                happened: "Jira's answer has been recorded before. It counts once, and what was recorded is unchanged.",
                next: "Look at the result. If it is not what you wanted, start again with a fresh key.",
            },
            Self::Replaced => Wording {
                title: "A newer authorisation has begun",
                happened: "Someone has made a newer key for this connection, so this one counts no more.",
                next: "Go on with the newer one, or start again with a fresh key.",
            },
            Self::NotPrepared => Wording {
                title: "The operator is not ready for it",
                happened: "The operator has not prepared the authorisation within ten seconds. It may be changing its \
                           leader, or be unable to reach Jira.",
                next: "Try again with the same key. If it stays so, kubectl describe of the connection tells what is wrong.",
            },
            Self::ForeignAddress => Wording {
                title: "Not the connection's Jira",
                happened: "The address where this authorisation would lead does not belong to the Jira of this \
                           connection. You are not sent there.",
                next: "Start again with a fresh key. If it happens again, tell the owner of the connection: someone has \
                       written into its authorization Secret.",
            },
            Self::Unavailable => Wording {
                title: "The operator cannot read its records",
                happened: "The Kubernetes API server does not answer the operator, or refuses it. Nothing was recorded.",
                next: "Try again in a moment. If it stays so, tell the operator's admin; its log says why.",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Turnaway;

    #[test]
    fn each_says_what_happened_and_what_to_do() {
        for turnaway in Turnaway::ALL {
            let wording = turnaway.wording();
            assert!(turnaway.status().is_client_error() || turnaway.status().is_server_error(), "{turnaway:?}");
            assert!(!wording.title.ends_with('.'), "{turnaway:?}: a title is no sentence");
            for sentence in [wording.happened, wording.next] {
                assert!(sentence.ends_with('.') && !sentence.contains("  "), "{turnaway:?}: {sentence}");
            }
            let alike = Turnaway::ALL.into_iter().filter(|other| other.wording().title == wording.title);
            assert_eq!(alike.count(), 1, "{turnaway:?}");
        }
    }
}
