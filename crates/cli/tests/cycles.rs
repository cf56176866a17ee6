//! A promise of the layering inside crates: no two files of `pipeline`, and none of `cli`, import each other, be it in a long circle.
//!
//! An import is a path that begins with `crate`, `super`, `self` or a module that the file declares; it counts for the file that
//! defines what it names. A parent that only re-exports a child (`pub use child::Name`) does not import it. Test code does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A path of modules, the crate's root first.
type Module = Vec<String>;

/// What one file declares and names.
#[derive(Debug, Default)]
struct File {
    /// Child modules in files of their own.
    children: BTreeSet<String>,
    /// Names that it re-exports from its children, with their paths from here.
    exports: BTreeMap<String, Module>,
    /// Paths that it names.
    named: Vec<Module>,
}

impl File {
    fn parse(text: &str) -> File {
        let text = without_comments(text);
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let mut file = File::default();
        let mut code = String::new();
        let mut imports = Vec::new();
        for statement in text.split_inclusive(';') {
            let start = statement
                .rfind(['}', '{', ']'])
                .filter(|_| !statement.contains("use "))
                .map_or(0, |at| at + 1);
            let words = statement[start..].trim();
            let declared = words.strip_suffix(';').and_then(|words| words.rsplit_once("mod "));
            if let Some((_, name)) = declared.filter(|(_, name)| name.chars().all(is_word)) {
                file.children.insert(name.to_owned());
                continue;
            }
            match import(statement) {
                Some((before, exported, tree)) => {
                    code.push_str(before);
                    imports.extend(expand(tree).into_iter().map(|path| (exported, path)));
                }
                None => code.push_str(statement),
            }
        }
        for (exported, (path, name)) in imports {
            if exported && file.children.contains(&path[0]) {
                file.exports.insert(name, path);
            } else {
                file.named.push(path);
            }
        }
        file.named.extend(paths(&code, &file.children));
        file
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// A `use` at the end of a statement: what stands before it, whether it is public, and its tree.
fn import(statement: &str) -> Option<(&str, bool, &str)> {
    let at = statement.rfind("use ").filter(|&at| {
        let before = statement[..at].chars().next_back();
        before.is_none_or(|letter| letter.is_whitespace())
    })?;
    let line = statement[..at].rfind('\n').map_or(0, |at| at + 1);
    let exported = statement[line..at].trim_start().starts_with("pub");
    let plain = statement[line..at].trim().is_empty();
    (exported || plain)
        .then(|| (&statement[..line], exported, statement[at + 4..].trim_end_matches(';').trim()))
}

/// The paths of a tree of imports, each with the name that it gets.
fn expand(tree: &str) -> Vec<(Module, String)> {
    let tree = tree.trim();
    if let Some((prefix, rest)) = tree.split_once('{') {
        let inside = rest.trim_end().trim_end_matches('}');
        let prefix: Module = segments(prefix);
        let of = |(path, name): (Module, String)| {
            let path = if path == ["self"] { Vec::new() } else { path };
            (prefix.iter().cloned().chain(path).collect(), name)
        };
        return split_outside(inside).into_iter().flat_map(|part| expand(&part)).map(of).collect();
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
    let path = segments(path);
    let last = path.last().cloned().unwrap_or_default();
    if path.is_empty() {
        Vec::new()
    } else {
        vec![(path, if name.is_empty() { last } else { name.trim().into() })]
    }
}

fn segments(path: &str) -> Module {
    path.split("::").map(str::trim).filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

/// Splits at commas that stand in no braces.
fn split_outside(list: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in list.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts.into_iter().filter(|part| !part.trim().is_empty()).collect()
}

/// Paths in code that lead to other files.
fn paths(code: &str, children: &BTreeSet<String>) -> Vec<Module> {
    let words = code.split(|letter: char| !is_word(letter) && letter != ':');
    let path = |word: &str| segments(word.trim_matches(':'));
    let leads = |path: &Module| {
        path.len() > 1
            && (["crate", "super", "self"].contains(&path[0].as_str()) || children.contains(&path[0]))
    };
    words.filter(|word| word.contains("::")).map(path).filter(leads).collect()
}

/// All files of a crate, by their modules.
fn files(source: &Path) -> BTreeMap<Module, File> {
    fn visit(dir: &Path, module: &Module, out: &mut BTreeMap<Module, File>) {
        for entry in std::fs::read_dir(dir).expect("a folder of sources").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let of = |name: &str| module.iter().cloned().chain([name.to_owned()]).collect::<Module>();
            if path.is_dir() {
                visit(&path, &of(&name), out);
            } else if let Some(stem) = name.strip_suffix(".rs").filter(|stem| *stem != "tests") {
                let module = if ["main", "lib", "mod"].contains(&stem) { module.clone() } else { of(stem) };
                out.insert(module, File::parse(&std::fs::read_to_string(&path).expect("a source file")));
            }
        }
    }
    let mut out = BTreeMap::new();
    visit(source, &Vec::new(), &mut out);
    out
}

/// The file that defines what a path in `from` names; none where it leads out of the crate.
fn definer(files: &BTreeMap<Module, File>, from: &Module, path: &[String]) -> Option<Module> {
    let (mut at, mut rest) = match path.first()?.as_str() {
        "crate" => (Vec::new(), &path[1..]),
        "self" => (from.clone(), &path[1..]),
        "super" => (from[..from.len().checked_sub(1)?].to_vec(), &path[1..]),
        first if files.get(from)?.children.contains(first) => (from.clone(), path),
        _ => return None,
    };
    while rest.first().is_some_and(|segment| segment == "super") {
        at.pop()?;
        rest = &rest[1..];
    }
    while let Some(segment) = rest.first() {
        let file = files.get(&at)?;
        let child = file.children.contains(segment);
        // `crate::a::b` may be a function `b` of the module `a::b`, `crate::a::b::c` is in the module.
        match file.exports.get(segment) {
            Some(exported) if !child || rest.len() == 1 => {
                return definer(files, &at, &[exported, &rest[1..]].concat());
            }
            _ if !child => break,
            _ => {}
        }
        at.push(segment.clone());
        rest = &rest[1..];
    }
    Some(at)
}

/// A circle of imports; empty where there is none.
fn circle(files: &BTreeMap<Module, File>) -> Vec<String> {
    let imports = |module: &Module| -> BTreeSet<Module> {
        let named = files[module].named.iter().filter_map(|path| definer(files, module, path));
        named.filter(|other| other != module && files.contains_key(other)).collect()
    };
    let mut open: BTreeMap<Module, BTreeSet<Module>> =
        files.keys().map(|module| (module.clone(), imports(module))).collect();
    // What imports nothing that is left is in no circle.
    while let Some(done) =
        open.iter().find(|(_, imports)| imports.is_empty()).map(|(module, _)| module.clone())
    {
        open.remove(&done);
        for imports in open.values_mut() {
            imports.remove(&done);
        }
    }
    let Some(mut at) = open.keys().next().cloned() else { return Vec::new() };
    let mut walk: Vec<Module> = Vec::new();
    while !walk.contains(&at) {
        walk.push(at.clone());
        at = open[&at].first().cloned().unwrap_or_default();
    }
    let start = walk.iter().position(|module| *module == at).unwrap_or(0);
    walk.push(at);
    walk[start..].iter().map(|module| format!("crate::{}", module.join("::"))).collect()
}

#[test]
fn no_file_imports_itself_by_way_of_others() {
    for name in ["cli", "pipeline"] {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
        let files = files(&source);
        assert!(files.len() > 20, "{name} has only {} files", files.len());
        let found = circle(&files);
        assert!(found.is_empty(), "a circle of imports in {name}: {}", found.join(" -> "));
    }
}

/// The circle in a crate of these files.
fn of(sources: &[(&str, &str)]) -> Vec<String> {
    let files = sources.iter().map(|(module, text)| (segments(module), File::parse(text))).collect();
    circle(&files)
}

#[test]
fn a_circle_is_found_through_re_exports_and_paths_in_code() {
    let root = ("", "mod a;\nmod b;\n");
    let a = ("a", "mod deep;\npub use deep::{Deep, other as Name};\n");
    assert!(of(&[root, a, ("a::deep", "pub struct Deep;"), ("b", "use crate::a::Deep;")]).is_empty());
    let deep = ("a::deep", "use crate::{b::{self, B}};");
    let circle = of(&[root, a, deep, ("b", "fn f() -> crate::a::Name { todo!() }")]);
    assert_eq!(circle, ["crate::a::deep", "crate::b", "crate::a::deep"]);
    let parent = ("a", "mod deep;\nfn f() { deep::g() }\n");
    assert_eq!(of(&[root, parent, ("a::deep", "use super::f;\n"), ("b", "")]).len(), 3);
    let tests = ("a::deep", "#[cfg(test)]\nmod tests {\n    use crate::b::B;\n}\n");
    assert!(of(&[root, a, tests, ("b", "use crate::a::Deep; // and not crate::b::X")]).is_empty());
}
