//! Classes as pytest reads them: their bases, and whether these make them a container of tests.

use ruff_python_ast::{Decorator, Expr, StmtClassDef};

use crate::names::Names;
use crate::scope::{Bound, Module, Scope, Thing};

/// Longer chains of bases are cut off.
const MAX_MRO: usize = 256;

/// A class at module level, or nested in another class.
pub(crate) struct Class<'a> {
    pub(crate) def: &'a StmtClassDef,
    pub(crate) scope: Scope<'a>,
    /// The class itself, then its bases in this file, in Python's order.
    pub(crate) mro: Vec<usize>,
    /// Bases that are not in this file: their dotted names, or an empty name for another expression.
    pub(crate) foreign_bases: Vec<Option<String>>,
    /// `metaclass=ABCMeta`
    pub(crate) abc: bool,
}

impl<'a> Class<'a> {
    pub(crate) fn new(def: &'a StmtClassDef) -> Self {
        Self { def, scope: Scope::default(), mro: Vec::new(), foreign_bases: Vec::new(), abc: false }
    }
}

/// Python's method resolution order (C3) among the classes of one file; depth first if there is none.
pub(crate) fn linearize(id: usize, bases: &[usize], classes: &[Class<'_>]) -> Vec<usize> {
    let mut lists: Vec<&[usize]> = bases.iter().map(|&base| &*classes[base].mro).collect();
    lists.push(bases);
    let mut order = vec![id];
    while order.len() < MAX_MRO {
        lists.retain(|list| !list.is_empty());
        let head = lists
            .iter()
            .map(|list| list[0])
            .find(|head| !lists.iter().any(|list| list[1..].contains(head)))
            .or_else(|| lists.first().map(|list| list[0]));
        let Some(head) = head else {
            break;
        };
        if !order.contains(&head) {
            order.push(head);
        }
        for list in &mut lists {
            if list[0] == head {
                *list = &list[1..];
            }
        }
    }
    order
}

impl<'a> Module<'a> {
    fn line_of_classes(&self, id: usize) -> impl Iterator<Item = &Class<'a>> {
        self.classes[id].mro.iter().map(|&id| &self.classes[id])
    }

    fn foreign_bases(&self, id: usize) -> impl Iterator<Item = Option<&str>> {
        self.line_of_classes(id).flat_map(|class| &class.foreign_bases).map(|base| base.as_deref().map(last_segment))
    }

    /// Derives from `unittest.TestCase`, as far as names show.
    pub(crate) fn is_testcase(&self, id: usize) -> bool {
        self.foreign_bases(id).any(|base| base.is_some_and(is_testcase_name))
    }

    /// Has a constructor, which pytest refuses.
    pub(crate) fn has_constructor(&self, id: usize) -> bool {
        let own = self.line_of_classes(id).any(|class| {
            class.scope.get("__init__").is_some()
                || class.scope.get("__new__").is_some()
                || class.def.decorator_list.iter().any(|decorator| generates_init(decorator, &self.names))
        });
        own || self.foreign_bases(id).any(|base| base.is_some_and(has_constructor_name))
    }

    /// `__test__`, own or inherited.
    pub(crate) fn test_flag(&self, id: usize) -> Option<bool> {
        self.line_of_classes(id).find_map(|class| class.scope.test_flag)
    }

    /// Has abstract methods left, and a metaclass that checks them.
    pub(crate) fn is_abstract(&self, id: usize) -> bool {
        let abc =
            self.line_of_classes(id).any(|class| class.abc) || self.foreign_bases(id).any(|base| base == Some("ABC"));
        abc && self.line_of_classes(id).any(|class| {
            class.scope.iter().any(|(name, bound)| {
                is_abstract_method(bound, &self.names)
                    && self.member(id, name).is_some_and(|member| is_abstract_method(member, &self.names))
            })
        })
    }

    /// The attribute that a class has, own or inherited.
    pub(crate) fn member(&self, id: usize, name: &str) -> Option<Bound<'a>> {
        self.line_of_classes(id).find_map(|class| class.scope.get(name))
    }

    /// May inherit tests that this file does not show.
    pub(crate) fn has_unknown_base(&self, id: usize) -> bool {
        self.foreign_bases(id).any(|base| {
            base.is_none_or(|base| {
                !matches!(base, "object" | "ABC" | "Generic" | "TestCase" | "IsolatedAsyncioTestCase")
            })
        })
    }
}

fn last_segment(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Django's, Tornado's and most projects' own bases keep the ending.
fn is_testcase_name(name: &str) -> bool {
    name.ends_with("TestCase")
}

/// Well-known classes whose constructor is not `object`'s; exceptions by their names' endings.
fn has_constructor_name(name: &str) -> bool {
    const KNOWN: &[&str] = &[
        "AsyncMock",
        "BaseModel",
        "BytesIO",
        "Counter",
        "Enum",
        "Exception",
        "Flag",
        "IntEnum",
        "IntFlag",
        "MagicMock",
        "Mock",
        "Model",
        "NamedTuple",
        "OrderedDict",
        "Process",
        "Protocol",
        "StrEnum",
        "StringIO",
        "Thread",
        "TypedDict",
        "UserDict",
        "UserList",
        "UserString",
        "bytearray",
        "bytes",
        "complex",
        "defaultdict",
        "deque",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "property",
        "set",
        "str",
        "tuple",
        "type",
    ];
    KNOWN.binary_search(&name).is_ok()
        || ["Error", "Exception", "Warning", "Interrupt"].iter().any(|ending| name.ends_with(ending))
}

/// `@dataclass`, `@attr.s`, `@define` and similar decorators, unless an argument turns `__init__` off.
fn generates_init<'a>(decorator: &'a Decorator, names: &Names<'a>) -> bool {
    let Some(found) = names.resolve(&decorator.expression) else {
        return false;
    };
    let makes = matches!(found.last(), "dataclass" | "attrs" | "define" | "frozen" | "mutable")
        || matches!(found.path.as_str(), "attr.s" | "attr.attributes");
    let refused = found
        .arguments
        .and_then(|arguments| arguments.find_keyword("init"))
        .is_some_and(|init| matches!(&init.value, Expr::BooleanLiteral(value) if !value.value));
    makes && !refused
}

fn is_abstract_method<'a>(bound: Bound<'a>, names: &Names<'a>) -> bool {
    let Thing::Function(def) = bound.thing else {
        return false;
    };
    def.decorator_list
        .iter()
        .any(|decorator| names.resolve(&decorator.expression).is_some_and(|found| found.last().starts_with("abstract")))
}
