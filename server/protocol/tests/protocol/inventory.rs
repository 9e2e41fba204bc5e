//! Changes of the tree: cut into pieces, they give the same tree; the order of siblings goes out only where a reader would
//! get it wrong.

use std::sync::Arc;

use pytest_lens_protocol::{CollectError, InventoryDelta, ItemKind, Range, Siblings, TestItem};

fn item(id: &str, parent: Option<&str>, kind: ItemKind) -> TestItem {
    TestItem {
        id: id.into(),
        parent: parent.map(Into::into),
        kind,
        label: id.into(),
        uri: "file:///r/a.py".into(),
        range: None,
        markers: Vec::new(),
        skip: false,
        xfail: false,
        case_count: None,
        provisional: false,
    }
}

fn tests(ids: &[&str]) -> Vec<Arc<TestItem>> {
    ids.iter().map(|id| Arc::new(item(id, Some("a.py"), ItemKind::Function))).collect()
}

fn delta(ids: &[&str]) -> InventoryDelta {
    let error = CollectError {
        uri: "file:///r/b.py".to_owned(),
        range: Range::of_line(2),
        message: "no".to_owned(),
        longrepr: None,
    };
    InventoryDelta {
        revision: 7,
        upserts: tests(ids),
        removed: vec!["gone".to_owned()],
        order: vec![Siblings { parent: "a.py".to_owned(), ids: vec!["y".to_owned()] }],
        errors: vec![error],
        whole: true,
        whole_files: vec!["a.py".to_owned()],
    }
}

#[test]
fn a_delta_that_changes_something_is_not_empty() {
    let empty = InventoryDelta { upserts: Vec::new(), removed: Vec::new(), order: Vec::new(), ..delta(&[]) };
    assert!(empty.is_empty(), "errors alone change no item");
    assert!(!InventoryDelta { upserts: tests(&["a"]), ..empty.clone() }.is_empty());
    assert!(!InventoryDelta { removed: delta(&[]).removed, ..empty.clone() }.is_empty());
    assert!(!InventoryDelta { order: delta(&[]).order, ..empty }.is_empty());
}

#[test]
fn a_small_delta_stays_whole() {
    for size in [2, 3] {
        assert_eq!(delta(&["a", "b"]).pieces(size), [delta(&["a", "b"])]);
    }
}

#[test]
fn pieces_begin_with_what_is_gone_and_end_with_the_order() {
    let whole = delta(&["a", "b", "c", "d", "e"]);
    let pieces = whole.clone().pieces(2);
    let ids = |piece: &InventoryDelta| piece.upserts.iter().map(|item| item.id.to_string()).collect::<Vec<_>>();
    assert_eq!(pieces.iter().map(ids).collect::<Vec<_>>(), [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
    let rest: Vec<_> = pieces
        .iter()
        .map(|piece| (piece.whole, piece.removed.len(), piece.order.len(), piece.whole_files.len()))
        .collect();
    assert_eq!(rest, [(true, 1, 0, 0), (false, 0, 0, 0), (false, 0, 1, 1)]);
    assert!(pieces.iter().all(|piece| piece.revision == 7 && piece.errors == whole.errors));
    assert_eq!(delta(&["a", "b"]).pieces(0).len(), 2, "a piece has at least one item");
    assert!(pieces.iter().all(|piece| !InventoryDelta { whole: false, ..piece.clone() }.pieces(2)[0].whole));
    let partial = InventoryDelta { whole: false, ..whole };
    assert!(partial.pieces(2).iter().all(|piece| !piece.whole), "no piece is more than the delta");
}

#[test]
fn only_siblings_that_a_reader_would_misplace_are_ordered() {
    let order = |wanted: &[&str], known: &[&'static str]| -> Vec<Vec<String>> {
        let items = tests(wanted);
        let known = known.to_vec();
        Siblings::out_of_order(&items, |parent| {
            assert_eq!(parent, "a.py");
            known.clone()
        })
        .into_iter()
        .map(|siblings| siblings.ids)
        .collect()
    };
    let none: Vec<Vec<String>> = Vec::new();
    assert_eq!(order(&["a", "b"], &["a", "b"]), none);
    assert_eq!(order(&["a", "b", "c"], &["a", "b"]), none, "new ones are appended");
    assert_eq!(order(&["a", "c"], &["a", "b", "c"]), none, "one is gone");
    assert_eq!(order(&["a", "a", "b"], &["a", "b"]), none, "one is defined twice");
    assert_eq!(order(&["b", "a"], &["a", "b"]), [["b", "a"]]);
    assert_eq!(order(&["a", "c", "b"], &["a", "b"]), [["a", "c", "b"]], "a new one is between others");
}

#[test]
fn each_family_is_ordered_by_itself_and_the_outline_never() {
    let items = [
        item("d", None, ItemKind::Dir),
        item("b.py", Some("d"), ItemKind::File),
        item("a.py", Some("d"), ItemKind::File),
        item("a.py::y", Some("a.py"), ItemKind::Function),
        item("a.py::T", Some("a.py"), ItemKind::Class),
        item("a.py::T::t", Some("a.py::T"), ItemKind::Function),
    ];
    let known = |parent: &str| match parent {
        "a.py" => vec!["a.py::T", "a.py::y"],
        "a.py::T" => vec!["a.py::T::t"],
        other => panic!("{other}"),
    };
    let expected = Siblings { parent: "a.py".to_owned(), ids: vec!["a.py::y".to_owned(), "a.py::T".to_owned()] };
    assert_eq!(Siblings::out_of_order(&items, known), [expected]);
}
