//! House rules that can be counted. Each rule is a function from the files of the checkout to its complaints; this
//! file holds their table. What the rules are for is told in docs/CONTRIBUTING.md.

// layer 1: reading Rust text
mod code;

// layer 2: what a file refers to
mod paths;

// layer 3: which layers a module has
mod modules;

// layer 4: the rules
mod cancellation;
mod files;
mod layers;
mod manifests;

// layer 5: rules that stand on others
mod coverage;

use serde_json::Value;

use crate::outcome::Outcome;
use crate::process;
use crate::workspace::{TextFile, Workspace};

/// What the rules look at.
struct Tree {
    /// Every text file.
    files: Vec<TextFile>,
    /// What `cargo metadata --no-deps` reads from the manifests.
    manifests: Value,
}

/// A rule: its name and how it is checked.
type Rule = (&'static str, fn(&Tree) -> Vec<String>);

const RULES: [Rule; 11] = [
    ("crates point one way", |tree| {
        manifests::direction(&tree.manifests)
    }),
    ("ws-proto is sans-IO by default", |tree| {
        manifests::sans_io(&tree.manifests)
    }),
    ("every file says what lives in it", |tree| {
        files::heads(&tree.files)
    }),
    ("no file is too long", |tree| files::lengths(&tree.files)),
    ("unsafe code stays where it may be", |tree| {
        files::unsafe_forbidden(&tree.files)
    }),
    ("no left-overs", |tree| files::words(&tree.files)),
    ("modules import from earlier layers only", |tree| {
        layers::imports(&tree.files)
    }),
    ("every async function tells its cancel safety", |tree| {
        cancellation::told(&tree.files)
    }),
    ("a test drops every async function", |tree| {
        coverage::dropped(&tree.files)
    }),
    ("every cited test and module exists", |tree| {
        coverage::citations(&tree.files)
    }),
    ("every defence has a test", |tree| coverage::defences(&tree.files)),
];

/// Checks every rule on the checkout.
pub(crate) fn run(workspace: &Workspace) -> Outcome {
    match tree(workspace) {
        Ok(tree) => {
            let complaints: Vec<_> = RULES.iter().flat_map(|rule| complaints_of(rule, &tree)).collect();
            println!("    {} rules, {} files", RULES.len(), tree.files.len());
            Outcome::of_complaints(&complaints)
        }
        Err(reason) => Outcome::Failed(reason),
    }
}

fn complaints_of((name, check): &Rule, tree: &Tree) -> Vec<String> {
    check(tree)
        .into_iter()
        .map(|complaint| format!("{name}: {complaint}"))
        .collect()
}

fn tree(workspace: &Workspace) -> Result<Tree, String> {
    let mut cargo = workspace.cargo();
    let arguments = ["metadata", "--no-deps", "--format-version=1", "--offline"];
    let json = process::answer_of(cargo.args(arguments)).ok_or("cargo metadata cannot read the manifests")?;
    let manifests = serde_json::from_str(&json).map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(Tree {
        files: workspace.text_files()?,
        manifests,
    })
}

/// Files for the examples of the rules' tests.
#[cfg(test)]
fn sample(files: &[(&str, &str)]) -> Vec<TextFile> {
    let owned = |(path, text): &(&str, &str)| TextFile {
        path: (*path).to_owned(),
        text: (*text).to_owned(),
    };
    files.iter().map(owned).collect()
}
