//! What a page holds for somebody who reads it and fills in its forms.

use std::collections::BTreeMap;

use html5gum::{StartTag, Token, Tokenizer};

/// A page as far as a person uses it.
#[derive(Debug, Clone, Default)]
pub(super) struct Document {
    pub(super) title: String,
    /// Text of the elements that have an id.
    pub(super) texts: BTreeMap<String, String>,
    pub(super) forms: Vec<Form>,
}

/// A form.
#[derive(Debug, Clone, Default)]
pub(super) struct Form {
    pub(super) action: String,
    pub(super) method: String,
    /// Inputs with their values.
    pub(super) inputs: Vec<Input>,
    pub(super) selects: Vec<Select>,
    pub(super) buttons: Vec<Button>,
}

/// An input that is no button.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) value: String,
}

/// A choice.
#[derive(Debug, Clone)]
pub(super) struct Select {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) options: Vec<Choice>,
}

/// One option of a choice.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) text: String,
}

/// A button that submits its form.
#[derive(Debug, Clone)]
pub(super) struct Button {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) value: String,
}

/// Where text goes while a page is read.
#[derive(Debug, Default)]
struct Reader {
    document: Document,
    /// Elements with an id that are open: tag and id.
    open: Vec<(String, String)>,
    in_title: bool,
    in_option: bool,
}

impl Document {
    /// Reads HTML. What is no HTML has neither forms nor texts.
    pub(super) fn read(html: &str) -> Self {
        let mut reader = Reader::default();
        for token in Tokenizer::new(html) {
            match token {
                Ok(Token::StartTag(tag)) => reader.start(&tag),
                Ok(Token::EndTag(tag)) => reader.end(&text(&tag.name)),
                Ok(Token::String(content)) => reader.text(&text(&content)),
                Ok(Token::Comment(_) | Token::Doctype(_) | Token::Error(_)) => {}
                Err(never) => match never {},
            }
        }
        reader.document
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Reader {
    fn start(&mut self, tag: &StartTag<()>) {
        let attribute = |name: &str| tag.attributes.get(name.as_bytes()).map(|value| text(value)).unwrap_or_default();
        let (name, id) = (text(&tag.name), attribute("id"));
        let void = ["input", "meta", "link", "br", "hr", "img"].contains(&name.as_str());
        if !id.is_empty() && !void && !tag.self_closing {
            self.document.texts.insert(id.clone(), String::new());
            self.open.push((name.clone(), id.clone()));
        }
        self.in_title = name == "title";
        if name == "form" {
            let (action, method) = (attribute("action"), attribute("method").to_ascii_lowercase());
            self.document.forms.push(Form { action, method, ..Form::default() });
            return;
        }
        let Some(form) = self.document.forms.last_mut() else {
            return;
        };
        let (field, value) = (attribute("name"), attribute("value"));
        match name.as_str() {
            "select" => form.selects.push(Select { id, name: field, options: Vec::new() }),
            "option" => {
                self.in_option = true;
                if let Some(select) = form.selects.last_mut() {
                    select.options.push(Choice { value, text: String::new() });
                }
            }
            "button" => form.buttons.push(Button { id, name: field, value }),
            "input" if attribute("type") == "submit" => form.buttons.push(Button { id, name: field, value }),
            "input" | "textarea" => form.inputs.push(Input { id, name: field, value }),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if let Some(place) = self.open.iter().rposition(|(tag, _)| tag == name) {
            self.open.truncate(place);
        }
        self.in_title = self.in_title && name != "title";
        self.in_option = self.in_option && name != "option";
    }

    fn text(&mut self, content: &str) {
        if self.in_title {
            self.document.title.push_str(content);
        }
        for (_, id) in &self.open {
            self.document.texts.entry(id.clone()).or_default().push_str(content);
        }
        let select = self.document.forms.last_mut().and_then(|form| form.selects.last_mut());
        if let Some(choice) = select.and_then(|select| select.options.last_mut()).filter(|_| self.in_option) {
            choice.text.push_str(content);
        }
    }
}
