//! The types as TypeScript has them: interfaces and unions, for the VS Code extension. Only types that the language
//! server sends and receives: events as notifications, and settings.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::model::{Definition, Model, Shape, Type};

const LINE: usize = 120;

/// The whole module.
pub(crate) fn write(model: &Model) -> String {
    let mut text = String::from(
        "/**\n * The types of the language server's notifications and settings.\n *\n \
         * Made by `cargo xtask codegen` from the Rust definitions in server/protocol: change those.\n */\n\n\
         /** The fields of every notification. */\nexport interface Notice {\n  \
         /** The folder's URI. */\n  workspace: string;\n  /** Its number: gapless for each folder, from 1. */\n  \
         seq: number;\n}\n",
    );
    let wanted = reachable(model);
    for definition in model.definitions.iter().filter(|definition| wanted.contains(definition.name.as_str())) {
        define(&mut text, definition);
    }
    text.push_str("\n/** The parameters of each notification, by its method. */\nexport interface Notifications {\n");
    for (tag, base) in notifications(model) {
        let _ = writeln!(text, "  \"pytestLens/{tag}\": {base} & Notice;");
    }
    text.push_str("}\n");
    text
}

/// Each event's tag, and the type of its fields.
fn notifications(model: &Model) -> Vec<(&str, &str)> {
    let events = model.definitions.iter().find(|definition| definition.name == "Event");
    let Some(Shape::OneOf(members)) = events.map(|events| &events.shape) else { return Vec::new() };
    let mut found = Vec::new();
    for member in members {
        let Some(Definition { shape: Shape::Record { base: Some(base), fields }, .. }) =
            model.definitions.iter().find(|definition| &definition.name == member)
        else {
            continue;
        };
        for field in fields {
            if let Type::Word(tag) = &field.kind {
                found.push((tag.as_str(), base.as_str()));
            }
        }
    }
    found
}

/// The names of the types that notifications and settings are made of.
fn reachable(model: &Model) -> BTreeSet<&str> {
    let mut left: Vec<&str> = notifications(model).into_iter().map(|(_, base)| base).chain(["Settings"]).collect();
    let mut found = BTreeSet::new();
    while let Some(name) = left.pop() {
        if !found.insert(name) {
            continue;
        }
        let Some(definition) = model.definitions.iter().find(|definition| definition.name == name) else { continue };
        match &definition.shape {
            Shape::Record { base, fields } => {
                left.extend(base.as_deref());
                fields.iter().for_each(|field| named(&field.kind, &mut left));
            }
            Shape::OneOf(members) => left.extend(members.iter().map(String::as_str)),
            Shape::Alias(kind) => named(kind, &mut left),
            Shape::Words(_) => {}
        }
    }
    found
}

fn named<'a>(kind: &'a Type, into: &mut Vec<&'a str>) {
    match kind {
        Type::Named(name) => into.push(name),
        Type::List(of) | Type::Map(of) | Type::Nullable(of) => named(of, into),
        Type::OneOf(kinds) => kinds.iter().for_each(|kind| named(kind, into)),
        _ => {}
    }
}

fn define(text: &mut String, definition: &Definition) {
    let Definition { name, doc, shape } = definition;
    text.push('\n');
    comment(text, "", doc);
    match shape {
        Shape::Record { base, fields } => {
            let base = base.as_ref().map_or(String::new(), |base| format!(" extends {base}"));
            let _ = writeln!(text, "export interface {name}{base} {{");
            for field in fields {
                comment(text, "  ", &field.doc);
                let mark = if field.required { "" } else { "?" };
                let _ = writeln!(text, "  {}{mark}: {};", field.name, annotation(&field.kind));
            }
            text.push_str("}\n");
        }
        Shape::Words(words) => union(text, name, &words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>()),
        Shape::OneOf(members) => union(text, name, members),
        Shape::Alias(kind) => union(text, name, &[annotation(kind)]),
    }
}

fn union(text: &mut String, name: &str, members: &[String]) {
    let line = format!("export type {name} = {};", members.join(" | "));
    if line.len() <= LINE {
        let _ = writeln!(text, "{line}");
        return;
    }
    let _ = write!(text, "export type {name} =");
    for member in members {
        let _ = write!(text, "\n  | {member}");
    }
    text.push_str(";\n");
}

fn comment(text: &mut String, indent: &str, doc: &str) {
    if !doc.is_empty() {
        let _ = writeln!(text, "{indent}/** {} */", doc.replace("*/", "* /"));
    }
}

fn annotation(kind: &Type) -> String {
    match kind {
        Type::Text => "string".into(),
        // Types by their JSON names.
        Type::Bytes => "number[]".into(),
        Type::Boolean => "boolean".into(),
        Type::Integer | Type::Number => "number".into(),
        Type::Anything => "unknown".into(),
        Type::Word(word) => format!("{word:?}"),
        Type::List(of) => match **of {
            Type::Nullable(_) | Type::OneOf(_) => format!("({})[]", annotation(of)),
            _ => format!("{}[]", annotation(of)),
        },
        Type::Map(of) => format!("Record<string, {}>", annotation(of)),
        Type::Named(name) => name.clone(),
        Type::Nullable(of) => format!("{} | null", annotation(of)),
        Type::OneOf(kinds) => kinds.iter().map(annotation).collect::<Vec<_>>().join(" | "),
    }
}
