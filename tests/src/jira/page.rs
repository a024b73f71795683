//! HTML pages for people: sign-in, consent and errors. They work without scripts.

use std::fmt::Write as _;

use super::instance::Account;
use super::message::Reply;

/// A page in the making.
#[derive(Debug)]
pub(super) struct Page {
    title: String,
    content: String,
}

/// A choice of one thing in a form.
#[derive(Debug)]
pub(super) struct Select<'a> {
    /// Element id and field name.
    pub(super) name: &'a str,
    pub(super) label: &'a str,
    /// Values with what people read.
    pub(super) options: Vec<(String, String)>,
}

/// A button that submits a form.
#[derive(Debug)]
pub(super) struct Button<'a> {
    pub(super) id: &'a str,
    pub(super) label: &'a str,
    /// Value of the field `decision`. Absent: the button is no decision.
    pub(super) decision: Option<&'a str>,
}

/// A form that is posted.
#[derive(Debug)]
pub(super) struct Form<'a> {
    pub(super) action: &'a str,
    pub(super) hidden: Vec<(&'a str, &'a str)>,
    pub(super) select: Option<Select<'a>>,
    pub(super) buttons: Vec<Button<'a>>,
}

/// The buttons of a consent page; each deployment words them in its own way.
pub(super) fn decision(accept: &'static str) -> Vec<Button<'static>> {
    vec![
        Button { id: "accept", label: accept, decision: Some("accept") },
        Button { id: "deny", label: "Deny", decision: Some("deny") },
    ]
}

/// The choice of an account on a sign-in page.
pub(super) fn accounts<'a>(offered: impl Iterator<Item = &'a Account>) -> Select<'static> {
    let shown = |account: &Account| match (account.display_name.as_str(), account.name.as_str()) {
        ("", "") => account.id.clone(),
        ("", name) => name.to_owned(),
        (display, _) => format!("{display} ({})", account.id),
    };
    let mut options: Vec<_> = offered.map(|account| (account.id.clone(), shown(account))).collect();
    options.sort();
    options.dedup_by(|one, other| one.0 == other.0);
    Select { name: "account", label: "Account", options }
}

impl Page {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), content: String::new() }
    }

    /// A page that says why something was refused.
    pub(super) fn refusal(status: u16, title: &str, reason: &str) -> Reply {
        Self::new(title).element("p", Some("error"), reason).reply(status)
    }

    /// Adds an element with text.
    pub(super) fn element(mut self, name: &str, id: Option<&str>, text: &str) -> Self {
        let id = id.map(|id| format!(" id=\"{}\"", escaped(id))).unwrap_or_default();
        self.write(&format!("<{name}{id}>{}</{name}>", escaped(text)));
        self
    }

    /// Adds a list.
    pub(super) fn list(mut self, id: &str, items: &[String]) -> Self {
        self.write(&format!("<ul id=\"{}\">", escaped(id)));
        for item in items {
            self.write(&format!("<li>{}</li>", escaped(item)));
        }
        self.write("</ul>");
        self
    }

    /// Adds a link.
    pub(super) fn link(mut self, id: &str, target: &str, text: &str) -> Self {
        self.write(&format!("<p><a id=\"{}\" href=\"{}\">{}</a></p>", escaped(id), escaped(target), escaped(text)));
        self
    }

    /// Adds a form.
    pub(super) fn form(mut self, form: &Form) -> Self {
        self.write(&format!("<form method=\"post\" action=\"{}\">", escaped(form.action)));
        for (name, value) in &form.hidden {
            self.write(&format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value)));
        }
        if let Some(select) = &form.select {
            let name = escaped(select.name);
            self.write(&format!("<p><label for=\"{name}\">{}</label> ", escaped(select.label)));
            self.write(&format!("<select id=\"{name}\" name=\"{name}\" required>"));
            for (value, text) in &select.options {
                self.write(&format!("<option value=\"{}\">{}</option>", escaped(value), escaped(text)));
            }
            self.write("</select></p>");
        }
        self.write("<p>");
        for Button { id, label, decision } in &form.buttons {
            let field = decision.map(|value| format!(" name=\"decision\" value=\"{}\"", escaped(value)));
            let field = field.unwrap_or_default();
            self.write(&format!("<button type=\"submit\" id=\"{}\"{field}>{}</button> ", escaped(id), escaped(label)));
        }
        self.write("</p></form>");
        self
    }

    /// The page as an answer, which nothing may keep or frame.
    pub(super) fn reply(self, status: u16) -> Reply {
        let title = escaped(&self.title);
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
             <body><main><h1>{title}</h1>{}</main></body></html>\n",
            self.content
        );
        Reply::new(status)
            .header("Content-Type", "text/html;charset=UTF-8")
            .header("Cache-Control", "no-store")
            .header("X-Frame-Options", "SAMEORIGIN")
            .body(page)
    }

    fn write(&mut self, text: &str) {
        // Writing to a string cannot fail.
        let _ = self.content.write_str(text);
    }
}

/// Text as it may stand in an element or in a quoted attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// A URL with further fields in its query.
pub(super) fn with_query(url: &str, fields: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        query.append_pair(name, value);
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{}", query.finish())
}

/// A place on the same host that a sign-in may lead back to.
pub(super) fn is_local(target: &str) -> bool {
    target.starts_with('/') && !target.starts_with("//") && !target.contains('\\')
}
