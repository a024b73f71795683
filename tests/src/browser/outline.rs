//! What a browser tells assistive technology of a page (CDP, `Accessibility.getFullAXTree`).

use std::collections::HashMap;

use serde_json::Value;

/// Roles that are announced. The others are text, or boxes that nobody hears of.
const ANNOUNCED: [&str; 13] = [
    "alert",
    "banner",
    "button",
    "contentinfo",
    "form",
    "heading",
    "link",
    "list",
    "main",
    "navigation",
    "region",
    "status",
    "textbox",
];

/// States that are told with the name.
const STATES: [&str; 2] = ["required", "invalid"];

/// A line for each announced element, in the order of the page: role, level, name, and states.
pub(super) fn of(tree: &Value) -> Vec<String> {
    let nodes: Vec<&Value> = tree["nodes"].as_array().into_iter().flatten().collect();
    let by_id: HashMap<&str, &Value> =
        nodes.iter().filter_map(|node| Some((node["nodeId"].as_str()?, *node))).collect();
    let mut lines = Vec::new();
    if let Some(root) = nodes.first() {
        walk(root, &by_id, &mut lines);
    }
    lines
}

fn walk(node: &Value, by_id: &HashMap<&str, &Value>, lines: &mut Vec<String>) {
    let role = node["role"]["value"].as_str().unwrap_or_default();
    if node["ignored"] != true && ANNOUNCED.contains(&role) {
        lines.push(line(role, node));
    }
    for child in node["childIds"].as_array().into_iter().flatten() {
        if let Some(child) = child.as_str().and_then(|id| by_id.get(id)) {
            walk(child, by_id, lines);
        }
    }
}

fn line(role: &str, node: &Value) -> String {
    let property = |name: &str| {
        let properties = node["properties"].as_array().into_iter().flatten();
        properties.into_iter().find(|property| property["name"] == name).map(|property| &property["value"]["value"])
    };
    let mut words = vec![role.to_owned()];
    words.extend(property("level").map(ToString::to_string));
    if let Some(name) = node["name"]["value"].as_str().filter(|name| !name.is_empty()) {
        words.push(format!("{name:?}"));
    }
    if let Some(description) = node["description"]["value"].as_str().filter(|text| !text.is_empty()) {
        words.push(format!("described as {description:?}"));
    }
    let states = STATES.into_iter().filter(|name| property(name).is_some_and(|it| *it == true || *it == "true"));
    words.extend(states.map(str::to_owned));
    words.join(" ")
}
