//! Results that handlers put into text themselves. The framework makes a tree of JSON values from each result first, which
//! takes longer than all else that is done for the lenses of a large file.

use std::cell::RefCell;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::task_local;
use tower_lsp::jsonrpc::Id;

task_local! {
    /// The result of the request that this task answers.
    static TEXT: RefCell<Option<Box<RawValue>>>;
}

/// Puts the result of the request that is being answered into text; the handler's own result then counts for nothing.
/// `false` if that can't be done.
pub(crate) fn put(result: &impl Serialize) -> bool {
    let Ok(text) = to_raw_value(result) else { return false };
    TEXT.try_with(|place| place.replace(Some(text))).is_ok()
}

/// Runs a handler, and returns also the text that it put.
pub(crate) async fn of<T>(handler: impl Future<Output = T>) -> (T, Option<Box<RawValue>>) {
    let task = async {
        let output = handler.await;
        (output, TEXT.with(RefCell::take))
    };
    TEXT.scope(RefCell::default(), task).await
}

/// A response with such a result.
#[derive(Serialize)]
pub(crate) struct TextResponse<'a> {
    jsonrpc: &'static str,
    result: &'a RawValue,
    id: &'a Id,
}

impl<'a> TextResponse<'a> {
    /// The response to the request with this id.
    pub(crate) fn new(id: &'a Id, result: &'a RawValue) -> Self {
        Self { jsonrpc: "2.0", result, id }
    }
}
