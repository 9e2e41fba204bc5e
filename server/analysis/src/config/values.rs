//! Converts options into the types that pytest gives them.

use std::path::Path;

use super::ConfigError;
use super::tables::{Setting, Table, Value};
use crate::words;

/// A table, asked for options by name.
pub(super) struct OptionTable<'t> {
    pub(super) file: &'t Path,
    pub(super) table: &'t Table,
    /// `-o name=value` of `addopts`: the last one counts.
    pub(super) overrides: &'t [(String, String)],
}

impl OptionTable<'_> {
    /// An option of pytest's type `args`: a string to be split as a shell would, or a list.
    pub(super) fn args(&self, name: &str) -> Result<Option<Vec<String>>, ConfigError> {
        if let Some(value) = self.overridden(name) {
            let split = words::split(value);
            return split.map(Some).map_err(|why| self.error(None, format!("-o {name}: {why}")));
        }
        let Some(setting) = self.find(name) else {
            return Ok(None);
        };
        match &setting.value {
            Value::List(list) => Ok(Some(list.clone())),
            Value::Text(text) if !self.table.native => {
                words::split(text).map(Some).map_err(|why| self.error(Some(setting), format!("{name}: {why}")))
            }
            other => Err(self.wrong_type(setting, "a list of strings", other)),
        }
    }

    /// An option of pytest's type `string`.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ConfigError> {
        if let Some(value) = self.overridden(name) {
            return Ok(Some(value.to_owned()));
        }
        let Some(setting) = self.find(name) else {
            return Ok(None);
        };
        match &setting.value {
            Value::Text(text) => Ok(Some(text.clone())),
            other => Err(self.wrong_type(setting, "a string", other)),
        }
    }

    /// An option of pytest's type `bool`.
    pub(super) fn bool(&self, name: &str) -> Result<Option<bool>, ConfigError> {
        if let Some(value) = self.overridden(name) {
            return match to_bool(value) {
                Some(flag) => Ok(Some(flag)),
                None => {
                    Err(self.error(None, format!("-o {name}: {value:?} is neither true nor false; write one of them")))
                }
            };
        }
        let Some(setting) = self.find(name) else {
            return Ok(None);
        };
        match &setting.value {
            Value::Bool(flag) => Ok(Some(*flag)),
            Value::Text(text) if !self.table.native => match to_bool(text) {
                Some(flag) => Ok(Some(flag)),
                None => Err(self.error(
                    Some(setting),
                    format!("{name} is {text:?}, which is neither true nor false; write one of them"),
                )),
            },
            other => Err(self.wrong_type(setting, "true or false", other)),
        }
    }

    fn find(&self, name: &str) -> Option<&Setting> {
        self.table.options.iter().find(|setting| setting.name == name)
    }

    fn overridden(&self, name: &str) -> Option<&str> {
        let mut found = self.overrides.iter().filter(|(key, _)| key == name);
        found.next_back().map(|(_, value)| &**value)
    }

    fn wrong_type(&self, setting: &Setting, wanted: &str, value: &Value) -> ConfigError {
        let is = match value {
            Value::Text(_) => "a string",
            Value::Bool(_) => "true or false",
            Value::List(_) => "a list",
            Value::Other(what) => what,
        };
        self.error(Some(setting), format!("{} has to be {wanted}, but is {is}", setting.name))
    }

    fn error(&self, setting: Option<&Setting>, message: String) -> ConfigError {
        ConfigError { file: self.file.to_owned(), line: setting.map(|setting| setting.line), message }
    }
}

/// The value of an option of pytest's type `bool`; `None` if pytest refuses it.
#[must_use]
pub fn to_bool(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
        "n" | "no" | "f" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}
