//! Module cycles: inside a crate, no module imports in a circle. Edges come from `use` lines and from paths that begin with `crate` or
//! `super`, outside of unit tests. A path belongs to the deepest module that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The path of a module below its crate; empty for the crate's root.
type Module = Vec<String>;

#[test]
fn no_module_of_a_crate_imports_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut crates = 0;
    for folder in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        // A workspace of its own.
        if !folder.join("src").is_dir() || folder.ends_with("fuzz") {
            continue;
        }
        crates += 1;
        let modules = modules(&folder.join("src"));
        assert!(modules.len() > 3, "{} has {} modules", folder.display(), modules.len());
        let imports: BTreeMap<_, _> =
            modules.iter().map(|(module, text)| (module.clone(), imports(module, text, &modules))).collect();
        let circle = circle(&imports);
        assert!(circle.is_none(), "{}: {}", folder.display(), circle.unwrap_or_default());
    }
    assert!(crates >= 9, "{crates} crates were found");
}

/// Every module of a crate, with its text.
fn modules(source: &Path) -> BTreeMap<Module, String> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                modules.insert(module(source, &path), text(&path));
            }
        }
    }
    modules
}

fn module(source: &Path, file: &Path) -> Module {
    let below: PathBuf = file.strip_prefix(source).unwrap().with_extension("");
    let mut names: Vec<_> = below.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    names.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
    names
}

/// The code of a file, without comments and unit tests.
fn text(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n")
}

/// The modules that a module imports from.
fn imports(module: &Module, text: &str, modules: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let mut paths = Vec::new();
    let mut code = String::new();
    for statement in text.split_inclusive(';') {
        match statement.rsplit_once("use ").filter(|(before, _)| is_start_of_use(before)) {
            Some((before, tree)) => {
                code.push_str(before);
                expand("", tree.trim_end_matches(';'), &mut paths);
            }
            None => code.push_str(statement),
        }
    }
    paths.extend(
        code.split(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter))).map(str::to_owned),
    );
    let imported = paths.iter().filter_map(|path| resolve(module, path, modules));
    imported.filter(|imported| imported != module).collect()
}

/// Whether a statement that ends with `use` begins there.
fn is_start_of_use(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap().trim();
    line.is_empty() || line == "pub" || (line.starts_with("pub(") && line.ends_with(')'))
}

/// The paths of a `use` tree.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    for branch in branches(tree) {
        match branch.split_once('{') {
            Some((head, rest)) => {
                let inner = rest.trim_end().strip_suffix('}').unwrap();
                expand(&format!("{prefix}{}", head.trim()), inner, paths);
            }
            None if branch.trim().is_empty() => {}
            None => paths.push(format!("{prefix}{}", branch.trim().split(" as ").next().unwrap())),
        }
    }
}

/// The parts of a `use` tree between the commas that are in no braces.
fn branches(tree: &str) -> Vec<String> {
    let (mut branches, mut depth) = (vec![String::new()], 0_usize);
    for letter in tree.chars() {
        match letter {
            ',' if depth == 0 => branches.push(String::new()),
            _ => branches.last_mut().unwrap().push(letter),
        }
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    branches
}

/// The deepest module that a path names.
fn resolve(module: &Module, path: &str, modules: &BTreeMap<Module, String>) -> Option<Module> {
    // A lone word, as in `pub(super)`, is no path.
    if !path.contains("::") {
        return None;
    }
    let mut names = path.split("::").peekable();
    let mut place = match *names.peek()? {
        "crate" => {
            names.next();
            Vec::new()
        }
        "super" => module.clone(),
        "self" => {
            names.next();
            module.clone()
        }
        child => {
            let is_child = modules.contains_key(&[module.as_slice(), &[child.to_owned()]].concat());
            if !is_child {
                return None;
            }
            module.clone()
        }
    };
    while names.next_if_eq(&"super").is_some() {
        place.pop();
    }
    for name in names {
        let deeper = [place.as_slice(), &[name.to_owned()]].concat();
        if !modules.contains_key(&deeper) {
            break;
        }
        place = deeper;
    }
    Some(place)
}

/// A circle of imports, as a sentence.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Option<String> {
    // Modules that import nothing but what was removed before are removed, until none is left, or only circles.
    let mut left: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.iter().map(|(module, imported)| (module, imported.iter().collect())).collect();
    loop {
        let leaves: Vec<_> =
            left.iter().filter(|(_, imported)| imported.is_empty()).map(|(module, _)| *module).collect();
        if leaves.is_empty() {
            break;
        }
        for leaf in leaves {
            left.remove(leaf);
            for imported in left.values_mut() {
                imported.remove(leaf);
            }
        }
    }
    let (first, _) = left.first_key_value()?;
    let mut way = vec![*first];
    while let Some(next) = left[way.last().unwrap()].first() {
        if let Some(begin) = way.iter().position(|module| module == next) {
            let names: Vec<_> = way[begin..].iter().chain([next]).map(|module| module.join("::")).collect();
            return Some(names.join(" imports "));
        }
        way.push(next);
    }
    None
}

#[test]
fn circles_are_found() {
    let modules: BTreeMap<Module, String> = [
        (vec![], "mod a; mod b; pub use a::A;"),
        (vec!["a".to_owned()], "use crate::b::{c::{C, D}, E};"),
        (vec!["b".to_owned()], "fn f() { crate::a::g(); }"),
        (vec!["b".to_owned(), "c".to_owned()], "use std::fmt;"),
    ]
    .map(|(module, text)| (module, text.to_owned()))
    .into();
    let imports: BTreeMap<_, _> =
        modules.iter().map(|(module, text)| (module.clone(), imports(module, text, &modules))).collect();
    assert_eq!(circle(&imports).as_deref(), Some("a imports b imports a"));
}
