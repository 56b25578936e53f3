//! Module cycles: inside a crate, no module imports in a circle. Edges come from `use` lines and from paths that begin with `crate` or
//! `super`, outside of unit tests. A path belongs to the deepest module that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The path of a module below its crate; empty for the crate's root.
type Module = Vec<String>;

/// The modules that each module imports.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn no_module_of_a_crate_imports_in_a_circle() {
    let mut modules = 0;
    for folder in crates() {
        let imports = imports_of_crate(&folder);
        modules += imports.len();
        let circle = circle(&imports);
        assert!(circle.is_none(), "{}: {}", folder.display(), circle.unwrap_or_default());
    }
    assert!(modules > 200, "{modules} modules were found");
}

/// Prints the structure of each crate. A part is a file or folder directly below `src`. A part's level is one above the highest that it
/// imports; an import between parts that import each other leads back up.
#[test]
#[ignore = "prints a table: make structure"]
fn structure_of_each_crate() {
    println!(
        "| crate | lines | without unit tests | files | parts | levels | imports between parts | back up | cycles of files |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for folder in crates() {
        let (lines, product_lines, files) = lines(&folder.join("src"));
        let imports = imports_of_crate(&folder);
        let parts = imports_of_parts(&imports);
        let arrows: usize = parts.values().map(BTreeSet::len).sum();
        let (levels, back_up) = levels(&parts);
        let cycles = usize::from(circle(&imports).is_some());
        let name = folder.file_name().unwrap().display();
        println!(
            "| {name} | {lines} | {product_lines} | {files} | {} | {levels} | {arrows} | {back_up} | {cycles} |",
            parts.len()
        );
    }
}

/// The folders of the workspace's crates, sorted by name. `fuzz` is a workspace of its own.
fn crates() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut crates: Vec<_> =
        folders.filter(|folder| folder.join("src").is_dir() && !folder.ends_with("fuzz")).collect();
    crates.sort();
    crates
}

fn imports_of_crate(folder: &Path) -> Imports {
    let modules = modules(&folder.join("src"));
    modules.iter().map(|(module, text)| (module.clone(), imports(module, text, &modules))).collect()
}

/// Imports between the parts of a crate. The crate's root is the highest part.
fn imports_of_parts(imports: &Imports) -> Imports {
    let part = |module: &Module| module.iter().take(1).cloned().collect::<Module>();
    let mut parts = Imports::new();
    for (module, imported) in imports {
        let from = part(module);
        let to = imported.iter().map(part).filter(|to| *to != from && !to.is_empty());
        parts.entry(from.clone()).or_default().extend(to);
    }
    parts
}

/// The number of levels, and of the imports that lead back up.
fn levels(parts: &Imports) -> (usize, usize) {
    let (mut left, mut levels, mut back_up) = (parts.clone(), 0, 0);
    while !left.is_empty() {
        let mut leaves: Vec<_> =
            left.iter().filter(|(_, imported)| imported.is_empty()).map(|(part, _)| part.clone()).collect();
        if leaves.is_empty() {
            // Only parts that import each other are left: the one that imports the fewest of them is a leaf.
            let (part, imported) = left.iter().min_by_key(|(_, imported)| imported.len()).unwrap();
            back_up += imported.len();
            leaves.push(part.clone());
        }
        for leaf in &leaves {
            left.remove(leaf);
        }
        for imported in left.values_mut() {
            imported.retain(|part| !leaves.contains(part));
        }
        levels += 1;
    }
    (levels, back_up)
}

/// The lines of a crate's files, those outside of unit tests, and the number of files.
fn lines(source: &Path) -> (usize, usize, usize) {
    let (mut all, mut product, mut files) = (0, 0, 0);
    for (path, text) in rust_files(source) {
        let is_for_tests = ["tests.rs", "testing.rs"].iter().any(|name| path.ends_with(name));
        let product_text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        all += text.lines().count();
        product += if is_for_tests { 0 } else { product_text.lines().count() };
        files += 1;
    }
    (all, product, files)
}

/// Every module of a crate, with its code.
fn modules(source: &Path) -> BTreeMap<Module, String> {
    rust_files(source).into_iter().map(|(path, text)| (module(source, &path), code(&text))).collect()
}

fn rust_files(source: &Path) -> Vec<(PathBuf, String)> {
    let (mut files, mut folders) = (Vec::new(), vec![source.to_owned()]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    files
}

fn module(source: &Path, file: &Path) -> Module {
    let below: PathBuf = file.strip_prefix(source).unwrap().with_extension("");
    let mut names: Vec<_> = below.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    names.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
    names
}

/// The code of a file, without comments and unit tests.
fn code(text: &str) -> String {
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
fn circle(imports: &Imports) -> Option<String> {
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
