//! The reference parts of the documents for client authors: every message, event and setting by its schema. They stand
//! between marks in `docs/`; people write the rest.

use anyhow::{Context, Result};
use pytest_lens_protocol::Settings;
use serde_json::Value;

use super::model::{Definition, Field, Model, Shape, Type};

/// A mark of a document, and the generator of the part after it.
type Part = (&'static str, fn(&Model, &Model) -> String);

/// A document, and its generated parts.
pub(crate) type Document = (&'static str, &'static [Part]);

/// Every such document.
pub(crate) const DOCUMENTS: [Document; 2] = [
    (
        "docs/protocol.md",
        &[
            ("requests", |_, requests| messages(requests, "Request")),
            ("responses", |model, _| messages(model, "Response")),
            ("events", |model, _| messages(model, "Event")),
            ("types", types),
        ],
    ),
    (
        "docs/lsp-extensions.md",
        &[("notifications", |model, _| notifications(model)), ("settings", |model, _| settings(model))],
    ),
];

/// The document's text with its parts generated again.
pub(crate) fn filled(text: &str, parts: &[Part], model: &Model, requests: &Model) -> Result<String> {
    let mut text = text.to_owned();
    for (name, write) in parts {
        let (start, end) = (format!("<!-- codegen: {name} -->\n"), "<!-- codegen ends -->\n");
        let (before, rest) = text.split_once(&start).with_context(|| format!("there is no mark `{}`", start.trim()))?;
        let (_, after) = rest.split_once(end).with_context(|| format!("the part {name} has no end"))?;
        text = format!("{before}{start}\n{}\n\n{end}{after}", write(model, requests).trim_end());
    }
    Ok(text)
}

fn find<'a>(model: &'a Model, name: &str) -> Option<&'a Definition> {
    model.definitions.iter().find(|definition| definition.name == name)
}

/// The variants of a tagged type, each with the value of its tag, in the order of the definition.
fn variants<'a>(model: &'a Model, name: &str) -> Vec<(&'a str, &'a Definition)> {
    let Some(Definition { shape: Shape::OneOf(members), .. }) = find(model, name) else { return Vec::new() };
    let tagged = |member: &String| {
        let definition = find(model, member)?;
        let Shape::Record { fields, .. } = &definition.shape else { return None };
        let tag = fields.iter().find_map(|field| match &field.kind {
            Type::Word(word) => Some(word.as_str()),
            _ => None,
        })?;
        Some((tag, definition))
    };
    members.iter().filter_map(tagged).collect()
}

/// A heading, the doc and the fields of each variant.
fn messages(model: &Model, name: &str) -> String {
    let part = |(tag, definition): (&str, &Definition)| section(model, tag, definition);
    variants(model, name).into_iter().map(part).collect()
}

fn section(model: &Model, title: &str, definition: &Definition) -> String {
    let mut text = format!("### `{title}`\n\n{}\n\n", definition.doc);
    text.push_str(&table(&all_fields(model, definition)));
    text
}

/// The fields, those of the base first; the tag is the heading.
fn all_fields<'a>(model: &'a Model, definition: &'a Definition) -> Vec<&'a Field> {
    let Shape::Record { base, fields } = &definition.shape else { return Vec::new() };
    let inherited = base.as_deref().and_then(|base| find(model, base));
    let mut all = inherited.map(|base| all_fields(model, base)).unwrap_or_default();
    all.extend(fields.iter().filter(|field| !matches!(field.kind, Type::Word(_))));
    all
}

fn table(fields: &[&Field]) -> String {
    if fields.is_empty() {
        return String::new();
    }
    let row = |field: &&Field| {
        let name = if field.required { "" } else { "?" };
        format!("| `{}`{name} | {} | {} |\n", field.name, shown(&field.kind), cell(&field.doc))
    };
    format!("| field | type | |\n|---|---|---|\n{}\n", fields.iter().map(row).collect::<String>())
}

/// Every named type that a message uses.
fn types(model: &Model, requests: &Model) -> String {
    let messages = ["Request", "Response", "Event"];
    let mut seen: Vec<&str> = ["Settings", "EventPayload"].to_vec();
    seen.extend(messages);
    for (of, name) in [(requests, "Request"), (model, "Response"), (model, "Event")] {
        seen.extend(variants(of, name).into_iter().map(|(_, definition)| definition.name.as_str()));
    }
    let settings: Vec<&str> = setting_types(model);
    let mut all: Vec<(&Model, &Definition)> = Vec::new();
    for of in [model, requests] {
        for definition in &of.definitions {
            let name = definition.name.as_str();
            if !seen.contains(&name) && !settings.contains(&name) && !is_variant(of, name) {
                seen.push(name);
                all.push((of, definition));
            }
        }
    }
    all.sort_by_key(|(_, definition)| definition.name.as_str());
    all.into_iter().map(|(of, definition)| type_section(of, definition)).collect()
}

/// Whether it is described as part of another type: as one of several, or as the content of an event.
fn is_variant(model: &Model, name: &str) -> bool {
    model.definitions.iter().any(|other| match &other.shape {
        Shape::OneOf(members) => members.iter().any(|member| member == name),
        Shape::Record { base, .. } => base.as_deref() == Some(name),
        _ => false,
    })
}

fn type_section(model: &Model, definition: &Definition) -> String {
    let head = format!("### {}\n\n{}\n\n", definition.name, definition.doc);
    head + &match &definition.shape {
        Shape::Record { .. } => table(&all_fields(model, definition)),
        Shape::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("One of {}.\n\n", words.join(", "))
        }
        Shape::Alias(kind) => format!("{}.\n\n", shown(kind)),
        Shape::OneOf(_) => {
            variants(model, &definition.name).into_iter().map(|(tag, variant)| of_kind(model, tag, variant)).collect()
        }
    }
}

fn of_kind(model: &Model, tag: &str, variant: &Definition) -> String {
    format!("`{tag}`: {}\n\n{}", variant.doc, table(&all_fields(model, variant)))
}

/// The custom notifications: the events, with what the language server adds.
fn notifications(model: &Model) -> String {
    let part = |(tag, definition): (&str, &Definition)| section(model, &format!("pytestLens/{tag}"), definition);
    let text: String = variants(model, "Event").into_iter().map(part).collect();
    text.replace("](#", "](protocol.md#")
}

/// Types that only settings use: they are described as dotted keys.
fn setting_types(model: &Model) -> Vec<&str> {
    let Some(settings) = find(model, "Settings") else { return Vec::new() };
    all_fields(model, settings).into_iter().filter_map(|field| named(&field.kind)).collect()
}

fn named(kind: &Type) -> Option<&str> {
    match kind {
        Type::Named(name) => Some(name),
        Type::Nullable(inner) => named(inner),
        _ => None,
    }
}

/// Each setting with its type and default.
fn settings(model: &Model) -> String {
    let defaults = serde_json::to_value(Settings::default()).unwrap_or_default();
    let mut text = String::new();
    if let Some(settings) = find(model, "Settings") {
        keys(model, settings, "pytestLens", &defaults, &mut text);
    }
    text
}

fn keys(model: &Model, of: &Definition, path: &str, defaults: &Value, into: &mut String) {
    for field in all_fields(model, of) {
        let (path, default) = (format!("{path}.{}", field.name), &defaults[&field.name]);
        match named(&field.kind).and_then(|name| find(model, name)) {
            Some(inner) if matches!(inner.shape, Shape::Record { .. }) => keys(model, inner, &path, default, into),
            Some(Definition { shape: Shape::Alias(kind), .. }) => {
                setting(&path, &shown(kind), default, &field.doc, into)
            }
            Some(Definition { shape: Shape::Words(words), .. }) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                setting(&path, &words.join(" or "), default, &field.doc, into);
            }
            _ => setting(&path, &shown(&field.kind), default, &field.doc, into),
        }
    }
}

fn setting(path: &str, kind: &str, default: &Value, doc: &str, into: &mut String) {
    into.push_str(&format!("### `{path}`\n\n{}\n\n{kind}; by default `{default}`.\n\n", cell(doc)));
}

/// A type in the terms of JSON; MessagePack has the same.
fn shown(kind: &Type) -> String {
    match kind {
        Type::Text => "string".to_owned(),
        Type::Bytes => "bytes".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Integer => "integer".to_owned(),
        Type::Number => "number".to_owned(),
        Type::Anything => "anything".to_owned(),
        Type::Word(word) => format!("`\"{word}\"`"),
        Type::List(inner) => format!("list of {}", shown(inner)),
        Type::Map(inner) => format!("map of {}", shown(inner)),
        Type::Named(name) if name == "Event" => "[event](#events)".to_owned(),
        Type::Named(name) => format!("[{name}](#{})", name.to_lowercase()),
        Type::Nullable(inner) => format!("{} or null", shown(inner)),
        Type::OneOf(kinds) => kinds.iter().map(shown).collect::<Vec<_>>().join(" or "),
    }
}

/// A doc in a cell of a table.
fn cell(doc: &str) -> String {
    doc.replace('|', "\\|").replace("`None`", "null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use chores::paths;
    use pytest_lens_protocol::{Request, Response};
    use std::collections::BTreeSet;
    use std::fs;

    /// The headings of a part that name code.
    fn headings(document: &str, part: &str) -> BTreeSet<String> {
        let text = fs::read_to_string(paths::root().join(document)).unwrap();
        let (_, rest) = text.split_once(&format!("<!-- codegen: {part} -->")).unwrap();
        let (part, _) = rest.split_once("<!-- codegen ends -->").unwrap();
        part.lines().filter_map(|line| Some(line.strip_prefix("### `")?.strip_suffix('`')?.to_owned())).collect()
    }

    fn owned(tags: &[&str]) -> BTreeSet<String> {
        tags.iter().map(|&tag| tag.to_owned()).collect()
    }

    #[test]
    fn every_request_and_response_has_its_heading_and_every_heading_its_type() {
        assert_eq!(headings("docs/protocol.md", "requests"), owned(Request::TAGS));
        assert_eq!(headings("docs/protocol.md", "responses"), owned(Response::TAGS));
    }

    #[test]
    fn every_event_is_a_notification_and_both_have_their_heading() {
        let events = headings("docs/protocol.md", "events");
        let names = events.iter().map(|name| format!("pytestLens/{name}")).collect();
        assert_eq!(headings("docs/lsp-extensions.md", "notifications"), names);
        assert!(events.contains("testOutcome"), "{events:?}");
    }

    #[test]
    fn every_setting_has_its_heading() {
        let mut keys = BTreeSet::new();
        let mut open = vec![("pytestLens".to_owned(), serde_json::to_value(Settings::default()).unwrap())];
        while let Some((path, value)) = open.pop() {
            match value {
                // Keys that users choose are no keys of ours.
                Value::Object(map) if path != "pytestLens.env" => {
                    open.extend(map.into_iter().map(|(key, value)| (format!("{path}.{key}"), value)));
                }
                _ => drop(keys.insert(path)),
            }
        }
        assert_eq!(headings("docs/lsp-extensions.md", "settings"), keys);
    }

    #[test]
    fn every_link_leads_to_a_heading() {
        let read = |document: &str| fs::read_to_string(paths::root().join(document)).unwrap();
        let anchors = |text: &str| -> BTreeSet<String> {
            let heading =
                |line: &str| line.strip_prefix('#').map(|rest| rest.trim_start_matches(['#', ' ']).to_lowercase());
            text.lines().filter_map(heading).map(|name| name.trim_matches('`').replace(' ', "-")).collect()
        };
        for (document, _) in DOCUMENTS {
            let text = read(document);
            for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = match file.strip_prefix("../") {
                    Some(above) => above.to_owned(),
                    None if file.is_empty() => document.to_owned(),
                    None => format!("docs/{file}"),
                };
                let found = anchor.is_empty() || anchors(&read(&target)).contains(anchor);
                assert!(found && paths::root().join(&target).exists(), "{document}: {link}");
            }
        }
    }

    #[test]
    fn a_document_without_its_mark_is_refused() {
        let (model, requests) = (Model::read().unwrap(), Model::of_requests().unwrap());
        let error = filled("no mark", DOCUMENTS[0].1, &model, &requests).unwrap_err();
        assert_eq!(error.to_string(), "there is no mark `<!-- codegen: requests -->`");
    }
}
