//! No two files import each other, and no longer circle of imports exists.
//!
//! Reads every path of every file with `syn`, also inside macros, and resolves it to the file that defines the item,
//! through re-exports. Test modules do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, UseTree, Visibility};

/// A path below `src`, as `operations/create/mod.rs`.
type Name = String;
/// The segments of a module path below the crate.
type ModulePath = Vec<String>;

/// What the files of a crate import.
#[derive(Default)]
struct Crate {
    /// The file of each module.
    files: BTreeMap<ModulePath, Name>,
    /// The path that a module re-exports under a name.
    re_exports: BTreeMap<(ModulePath, String), ModulePath>,
    /// The paths that each file names.
    paths: BTreeMap<Name, BTreeSet<ModulePath>>,
}

impl Crate {
    fn read(root: &Path) -> Self {
        let mut sources = Vec::new();
        super::collect(root, &mut sources);
        let mut parsed = BTreeMap::new();
        for source in sources {
            let name = source.strip_prefix(root).expect("it is below the root");
            let name = name.to_string_lossy().replace('\\', "/");
            if name == "main.rs" || name.contains("/tests/") {
                continue;
            }
            let text = fs::read_to_string(&source).expect("a source file");
            parsed.insert(name, syn::parse_file(&text).expect("Rust"));
        }
        Self::from_files(&parsed)
    }

    fn from_files(parsed: &BTreeMap<Name, File>) -> Self {
        let mut this = Self::default();
        for name in parsed.keys() {
            this.files.insert(module_of(name), name.clone());
        }
        for (name, file) in parsed {
            let module = module_of(name);
            let mut reader = Reader {
                this: &mut this,
                file: name.clone(),
                module,
            };
            reader.visit_file(file);
        }
        this
    }

    /// The files that a file imports.
    fn imports(&self, file: &Name) -> BTreeSet<Name> {
        let paths = self.paths.get(file).into_iter().flatten();
        let imported = paths.filter_map(|path| self.resolve(path.clone()));
        imported.filter(|imported| imported != file).collect()
    }

    /// The file that defines what a path names.
    fn resolve(&self, mut path: ModulePath) -> Option<Name> {
        // A re-export can name another one.
        for _ in 0..8 {
            let depth = (0..=path.len())
                .rev()
                .find(|depth| self.files.contains_key(&path[..*depth]))?;
            let (module, rest) = path.split_at(depth);
            let Some(item) = rest.first() else {
                return self.files.get(module).cloned();
            };
            match self.re_exports.get(&(module.to_vec(), item.clone())) {
                Some(target) => path = [target.as_slice(), &rest[1..]].concat(),
                None => return self.files.get(module).cloned(),
            }
        }
        None
    }

    /// The circles: each a set of files that import each other, directly or through others of the set.
    fn circles(&self) -> Vec<BTreeSet<Name>> {
        let imports: BTreeMap<&Name, BTreeSet<Name>> =
            self.files.values().map(|file| (file, self.imports(file))).collect();
        let reachable = |start: &Name| {
            let mut reached = BTreeSet::new();
            let mut open: Vec<Name> = imports[start].iter().cloned().collect();
            while let Some(file) = open.pop() {
                if reached.insert(file.clone()) {
                    open.extend(imports[&file].iter().cloned());
                }
            }
            reached
        };
        let reached: BTreeMap<&Name, BTreeSet<Name>> = imports.keys().map(|file| (*file, reachable(file))).collect();
        let circles: BTreeSet<BTreeSet<Name>> = imports
            .keys()
            .filter(|file| reached[*file].contains(**file))
            .map(|file| {
                let both_ways = reached[file].iter().filter(|other| reached[*other].contains(*file));
                both_ways.cloned().collect()
            })
            .collect();
        circles.into_iter().collect()
    }
}

fn module_of(file: &str) -> ModulePath {
    let mut module: ModulePath = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod" || last == "lib") {
        module.pop();
    }
    module
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

struct Reader<'a> {
    this: &'a mut Crate,
    file: Name,
    /// The module that is read: that of the file, or one inside it.
    module: ModulePath,
}

impl Reader<'_> {
    /// The path below the crate that the segments name here; `None` for another crate or a local name.
    fn absolute(&self, segments: &[String]) -> Option<ModulePath> {
        let first = segments.first()?;
        let child = [self.module.as_slice(), std::slice::from_ref(first)].concat();
        match first.as_str() {
            "crate" => Some(segments[1..].to_vec()),
            "self" => Some([self.module.as_slice(), &segments[1..]].concat()),
            "super" => {
                let levels = segments.iter().take_while(|segment| *segment == "super").count();
                let base = &self.module[..self.module.len().checked_sub(levels)?];
                Some([base, &segments[levels..]].concat())
            }
            _ if self.this.files.contains_key(&child) => Some([self.module.as_slice(), segments].concat()),
            _ => None,
        }
    }

    fn add(&mut self, segments: &[String]) {
        // `pub(crate)` and `self` alone import nothing.
        if let [only] = segments
            && matches!(only.as_str(), "crate" | "self" | "super")
        {
            return;
        }
        if let Some(path) = self.absolute(segments) {
            self.this.paths.entry(self.file.clone()).or_default().insert(path);
        }
    }

    fn read_use(&mut self, tree: &UseTree, prefix: &[String], is_public: bool) {
        let (segments, name) = match tree {
            UseTree::Path(path) => {
                let prefix = [prefix, &[path.ident.to_string()]].concat();
                return self.read_use(&path.tree, &prefix, is_public);
            }
            UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|tree| self.read_use(tree, prefix, is_public));
            }
            UseTree::Name(name) if name.ident == "self" => (prefix.to_vec(), prefix.last().cloned()),
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                ([prefix, std::slice::from_ref(&name)].concat(), Some(name))
            }
            UseTree::Rename(rename) => {
                let segments = [prefix, &[rename.ident.to_string()]].concat();
                (segments, Some(rename.rename.to_string()))
            }
            UseTree::Glob(_) => (prefix.to_vec(), None),
        };
        let (true, Some(name), Some(path)) = (is_public, name, self.absolute(&segments)) else {
            return self.add(&segments);
        };
        self.this.re_exports.insert((self.module.clone(), name), path);
    }

    /// Reads the paths in the tokens of a macro.
    fn read_tokens(&mut self, tokens: TokenStream) {
        let mut segments: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.add(&std::mem::take(&mut segments));
                    }
                    segments.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.add(&std::mem::take(&mut segments));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.read_tokens(group.stream());
                    }
                }
            }
        }
        self.add(&segments);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if is_test(attributes) {
            return;
        }
        match item {
            Item::Use(item) => {
                let is_public = !matches!(item.vis, Visibility::Inherited);
                self.read_use(&item.tree, &[], is_public);
            }
            Item::Mod(inner) if inner.content.is_some() => {
                self.module.push(inner.ident.to_string());
                visit::visit_item(self, item);
                self.module.pop();
            }
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(in path)` imports nothing.
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.add(&segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.read_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

#[test]
fn files_import_each_other_in_one_direction() {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = Crate::read(&root);
    let imports: usize = sources.files.values().map(|file| sources.imports(file).len()).sum();
    assert!(imports > 500, "{imports} imports were found");
    let mut text = String::new();
    for circle in sources.circles() {
        text += "a circle:\n";
        for file in &circle {
            let imported: Vec<Name> = sources.imports(file).intersection(&circle).cloned().collect();
            text += &format!("  {file} imports {}\n", imported.join(", "));
        }
    }
    assert!(text.is_empty(), "{text}");
}

#[test]
fn planted_circle_is_found() {
    let circles = |files: &[(&str, &str)]| {
        let parsed = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), syn::parse_file(text).expect("Rust")));
        Crate::from_files(&parsed.collect()).circles()
    };
    let lib = ("lib.rs", "mod a; mod b; mod c;");
    let one_way = [
        lib,
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "pub struct C; #[cfg(test)] mod tests { use crate::a::A; }"),
    ];
    assert!(circles(&one_way).is_empty());
    for planted in [
        "use crate::a::A;",
        "use super::a::{A as Other};",
        "fn f() { crate::a::f(); }",
        "fn f() { println!(\"{}\", crate::a::f()); }",
        "mod inner { use super::super::a; }",
        "impl Clone for crate::a::A {}",
    ] {
        let mut files = one_way;
        files[3].1 = planted;
        let names: Vec<String> = ["a.rs", "b.rs", "c.rs"].map(str::to_owned).into();
        assert_eq!(circles(&files), [names.into_iter().collect()], "{planted}");
    }
}

#[test]
fn re_export_counts_as_its_source() {
    let parsed = [
        ("lib.rs", "mod room;"),
        ("room/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("room/a.rs", "use super::B; pub struct A;"),
        ("room/b.rs", "pub struct B;"),
    ];
    let parsed = parsed.map(|(name, text)| (name.to_owned(), syn::parse_file(text).expect("Rust")));
    let sources = Crate::from_files(&parsed.into_iter().collect());
    let imported = sources.imports(&"room/a.rs".to_owned());
    assert_eq!(imported.into_iter().collect::<Vec<_>>(), ["room/b.rs"]);
    assert!(sources.circles().is_empty());
}
