//! The rule about asynchronous functions: their documentation says what happens when the future is dropped.
//!
//! Read by lines, as rustfmt lays them out. Functions that only a crate sees are free.

use crate::workspace::TextFile;

/// Lines of a signature that are looked at for what it returns.
const SIGNATURE: usize = 12;

/// Public asynchronous functions of the libraries whose documentation does not speak of cancelling.
pub(super) fn told(files: &[TextFile]) -> Vec<String> {
    let of_a_library = |file: &&TextFile| {
        let path = file.path.as_str();
        path.starts_with("crates/") && path.contains("/src/") && path.ends_with(".rs")
    };
    let mut complaints = Vec::new();
    for file in files.iter().filter(of_a_library) {
        let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
        for (number, line) in lines.iter().enumerate() {
            let signature = lines.get(number..).unwrap_or_default();
            if is_asynchronous(signature) && !speaks(lines.get(..number).unwrap_or_default()) {
                complaints.push(format!(
                    "{}:{}: no word on cancel safety: {line}",
                    file.path,
                    number + 1
                ));
            }
        }
    }
    complaints
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
    use super::told;
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
}
