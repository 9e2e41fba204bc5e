//! Writes the types for Lua: LuaCATS annotations for the Neovim plugin, which never loads the file.
//!
//! Only types that a client of the language server receives: events, which are its notifications without `workspace`,
//! and their parts. Every name starts with `pytest_lens.`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::model::{Definition, Model, Shape, Type};

/// The union of all events.
const EVENT: &str = "Event";

/// The whole module.
pub(crate) fn write(model: &Model) -> String {
    let mut text = String::from(
        "---@meta\n\
         -- The types of the server's notifications.\n\
         --\n\
         -- Made by `cargo xtask codegen` from the Rust definitions in server/protocol: change those.\n",
    );
    let wanted = wanted(model);
    for definition in model.definitions.iter().filter(|definition| wanted.contains(definition.name.as_str())) {
        text.push('\n');
        if !definition.doc.is_empty() {
            let _ = writeln!(text, "---{}", definition.doc);
        }
        let name = &definition.name;
        match &definition.shape {
            Shape::Record { base, fields } => {
                let base = base.as_deref().map(|base| format!(" : pytest_lens.{base}")).unwrap_or_default();
                let _ = writeln!(text, "---@class pytest_lens.{name}{base}");
                for field in fields {
                    let mark = if field.required { "" } else { "?" };
                    let line = format!("---@field {}{mark} {} {}", field.name, annotation(&field.kind), field.doc);
                    let _ = writeln!(text, "{}", line.trim_end());
                }
            }
            Shape::Words(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                let _ = writeln!(text, "---@alias pytest_lens.{name} {}", words.join("|"));
            }
            Shape::OneOf(members) => {
                let members: Vec<String> = members.iter().map(|member| format!("pytest_lens.{member}")).collect();
                let _ = writeln!(text, "---@alias pytest_lens.{name} {}", members.join("|"));
            }
            Shape::Alias(kind) => {
                let _ = writeln!(text, "---@alias pytest_lens.{name} {}", annotation(kind));
            }
        }
    }
    text
}

/// The names that an event is made of.
fn wanted(model: &Model) -> BTreeSet<&str> {
    let mut wanted = BTreeSet::new();
    let mut left = vec![EVENT];
    while let Some(name) = left.pop() {
        let definition = model.definitions.iter().find(|definition| definition.name == name);
        if let Some(definition) = definition.filter(|_| wanted.insert(name)) {
            mentioned(definition, &mut left);
        }
    }
    wanted
}

fn mentioned<'a>(definition: &'a Definition, into: &mut Vec<&'a str>) {
    match &definition.shape {
        Shape::Record { base, fields } => {
            into.extend(base.as_deref());
            fields.iter().for_each(|field| names(&field.kind, into));
        }
        Shape::Words(_) => {}
        Shape::OneOf(members) => into.extend(members.iter().map(String::as_str)),
        Shape::Alias(kind) => names(kind, into),
    }
}

fn names<'a>(kind: &'a Type, into: &mut Vec<&'a str>) {
    match kind {
        Type::Named(name) => into.push(name),
        Type::List(of) | Type::Map(of) | Type::Nullable(of) => names(of, into),
        Type::OneOf(kinds) => kinds.iter().for_each(|kind| names(kind, into)),
        Type::Text | Type::Bytes | Type::Boolean | Type::Integer | Type::Number | Type::Anything | Type::Word(_) => {}
    }
}

fn annotation(kind: &Type) -> String {
    match kind {
        Type::Text => "string".into(),
        // Types by their JSON names.
        Type::Bytes => "integer[]".into(),
        Type::Boolean => "boolean".into(),
        Type::Integer => "integer".into(),
        Type::Number => "number".into(),
        Type::Anything => "any".into(),
        Type::Word(word) => format!("{word:?}"),
        Type::List(of) => match **of {
            Type::OneOf(_) | Type::Nullable(_) => format!("({})[]", annotation(of)),
            _ => format!("{}[]", annotation(of)),
        },
        Type::Map(of) => format!("table<string, {}>", annotation(of)),
        Type::Named(name) => format!("pytest_lens.{name}"),
        Type::Nullable(of) => format!("{}|nil", annotation(of)),
        Type::OneOf(kinds) => kinds.iter().map(annotation).collect::<Vec<_>>().join("|"),
    }
}
