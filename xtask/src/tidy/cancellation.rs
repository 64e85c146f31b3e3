//! The rule about asynchronous functions: their documentation says what happens when the future is dropped. Here is
//! also which functions these are. That each is named by a test is in `coverage`.
//!
//! Read by lines, as rustfmt lays them out. Functions that only a crate sees are free.

use crate::workspace::TextFile;

/// Lines of a signature that are looked at for what it returns.
const SIGNATURE: usize = 12;

/// A public asynchronous function of a library.
pub(super) struct Asynchronous<'a> {
    path: &'a str,
    /// From 1.
    line: usize,
    text: &'a str,
    /// Whether its documentation speaks of cancelling.
    speaks: bool,
    /// `crate/Type::method`, or `crate/function`.
    pub(super) name: String,
}

/// Public asynchronous functions of the libraries whose documentation does not speak of cancelling.
pub(super) fn told(files: &[TextFile]) -> Vec<String> {
    let silent = asynchronous(files)
        .into_iter()
        .filter(|function| !function.speaks);
    silent
        .map(|function| {
            let Asynchronous { path, line, text, .. } = function;
            format!("{path}:{line}: no word on cancel safety: {text}")
        })
        .collect()
}

/// All public asynchronous functions of the libraries.
pub(super) fn asynchronous(files: &[TextFile]) -> Vec<Asynchronous<'_>> {
    let mut found = Vec::new();
    for file in files {
        let owner = file
            .path
            .strip_prefix("crates/")
            .and_then(|path| path.split_once("/src/"));
        let Some((owner, _)) = owner.filter(|(_, path)| path.ends_with(".rs")) else {
            continue;
        };
        let mut kind = "";
        let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
        for (number, line) in file.text.lines().enumerate() {
            if line.starts_with("impl") || line.starts_with('}') {
                kind = implemented(line);
            }
            if is_asynchronous(lines.get(number..).unwrap_or_default()) {
                let function = line.split_once("fn ").map_or("", |(_, rest)| word(rest));
                let between = if kind.is_empty() { "" } else { "::" };
                found.push(Asynchronous {
                    path: &file.path,
                    line: number + 1,
                    text: line.trim(),
                    speaks: speaks(lines.get(..number).unwrap_or_default()),
                    name: format!("{owner}/{kind}{between}{function}"),
                });
            }
        }
    }
    found
}

/// The type that an `impl` line is about; nothing for any other line.
fn implemented(line: &str) -> &str {
    let Some(rest) = line.strip_prefix("impl") else {
        return "";
    };
    let mut depth = 0;
    let begin = rest.find(|c| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        depth == 0 && c == ' '
    });
    word(
        begin
            .and_then(|begin| rest.get(begin..))
            .unwrap_or_default()
            .trim_start(),
    )
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// Whether a public function begins here that is async, or returns a future.
fn is_asynchronous(lines: &[&str]) -> bool {
    let Some(first) = lines.first() else { return false };
    if first.starts_with("pub async fn ") {
        return true;
    }
    if !first.starts_with("pub fn ") {
        return false;
    }
    let mut signature = String::new();
    for line in lines.iter().take(SIGNATURE) {
        signature.push_str(line);
        if line.ends_with(['{', ';']) {
            break;
        }
    }
    let returned = signature.split_once("-> ").map_or("", |(_, returned)| returned);
    ["impl Future", "SendData"]
        .iter()
        .any(|kind| returned.starts_with(kind))
}

/// Whether the comment that ends here (attributes aside) speaks of cancelling.
fn speaks(above: &[&str]) -> bool {
    let is_about = |line: &&&str| line.starts_with("///") || line.starts_with("#[");
    above
        .iter()
        .rev()
        .take_while(is_about)
        .any(|line| line.to_lowercase().contains("cancel"))
}

#[cfg(test)]
mod tests {
    use super::{asynchronous, told};
    use crate::tidy::sample;

    #[test]
    fn an_async_function_that_is_silent_about_cancelling_is_refused() {
        let silent = [
            "/// Sends.\npub async fn send() {}\n",
            "/// Cancel safe.\n\n/// Sends.\npub async fn send() {}\n",
            "/// Stops.\npub fn stop(\n    a: u8,\n) -> impl Future<Output = ()> {\n",
            "/// Text.\n#[inline]\npub fn text() -> SendData<'static> {\n",
        ];
        for text in silent {
            assert_eq!(told(&sample(&[("crates/a/src/b.rs", text)])).len(), 1, "{text}");
        }
        let fine = [
            "/// Sends. Cancel safe.\n#[inline]\npub async fn send() {}\n",
            "/// # Cancel safety\n///\n/// None.\npub fn stop() -> impl Future<Output = ()> {\n",
            "pub(crate) async fn send() {}\n",
            "pub fn count() -> usize {\n// -> impl Future\n",
        ];
        for text in fine {
            assert!(told(&sample(&[("crates/a/src/b.rs", text)])).is_empty(), "{text}");
        }
        assert!(told(&sample(&[("crates/a/tests/b.rs", silent[0])])).is_empty());
    }

    #[test]
    fn asynchronous_functions_have_the_name_of_their_type() {
        let text = "pub async fn serve() {\n}\nimpl<IO: Read + Unpin> Link<IO> {\n    pub fn text(&self) -> SendData<'_> {\n    }\n    \
                    pub fn len(&self) -> usize {\n    }\n}\nimpl Server {\n    pub async fn bind(self) {\n    }\n}\n";
        let files = sample(&[("crates/a/src/b.rs", text)]);
        let names: Vec<_> = asynchronous(&files)
            .into_iter()
            .map(|function| function.name)
            .collect();
        assert_eq!(names, ["a/serve", "a/Link::text", "a/Server::bind"]);
    }
}
