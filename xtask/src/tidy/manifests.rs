//! The rules about dependencies, on what `cargo metadata --no-deps` reads from the manifests.

use std::collections::BTreeSet;

use serde_json::Value;

/// The crates from the bottom to the top: each may depend on those before it, development dependencies included.
const ORDER: [&str; 4] = ["ws-proto", "ws-handler", "ws-servlet", "ws-testkit"];

/// What does input, output, tasks or time. ws-proto has none of it by default.
const NOT_SANS_IO: [&str; 9] = [
    "tokio",
    "async-std",
    "smol",
    "mio",
    "socket2",
    "hyper",
    "http",
    "getrandom",
    "futures-executor",
];

/// Complaints about dependencies that point upwards, or between xtask and the rest.
pub(super) fn direction(metadata: &Value) -> Vec<String> {
    let rank = |name: &str| ORDER.iter().position(|other| *other == name);
    let mut complaints: Vec<_> = ORDER
        .iter()
        .filter(|name| !packages(metadata).any(|package| text(package, "name") == **name))
        .map(|name| format!("the crate {name} is gone"))
        .collect();
    for package in packages(metadata) {
        let from = text(package, "name");
        for dependency in list(package, "dependencies") {
            let to = text(dependency, "name");
            let allowed = match (rank(from), rank(to)) {
                (Some(own), Some(other)) => other < own,
                (None, Some(_)) => from != "xtask",
                (Some(_), None) => to != "xtask",
                (None, None) => true,
            };
            if !allowed {
                complaints.push(format!("{from} depends on {to}"));
            }
        }
    }
    complaints
}

/// Complaints about what ws-proto depends on where no feature is asked for.
pub(super) fn sans_io(metadata: &Value) -> Vec<String> {
    let Some(proto) = packages(metadata).find(|package| text(package, "name") == "ws-proto") else {
        return vec!["the crate ws-proto is gone".to_owned()];
    };
    let on = default_features(proto);
    let mut complaints = Vec::new();
    for dependency in list(proto, "dependencies") {
        let name = text(dependency, "name");
        let optional = dependency
            .get("optional")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let activated = on.contains(&format!("dep:{name}")) || on.contains(name);
        let development = dependency.get("kind").and_then(Value::as_str) == Some("dev");
        if !development && (!optional || activated) && does_io(name) {
            complaints.push(format!("ws-proto depends on {name} by default"));
        }
    }
    complaints
}

fn does_io(name: &str) -> bool {
    NOT_SANS_IO
        .iter()
        .any(|other| name == *other || name.starts_with(&format!("{other}-")))
}

/// Everything that the feature `default` turns on, through any number of features.
fn default_features(package: &Value) -> BTreeSet<String> {
    let mut on = BTreeSet::new();
    let mut waiting = vec!["default".to_owned()];
    while let Some(feature) = waiting.pop() {
        let parts = package
            .get("features")
            .and_then(|features| features.get(&feature))
            .and_then(Value::as_array);
        let parts = parts.into_iter().flatten().filter_map(Value::as_str);
        // `tokio-util/codec` turns on the dependency itself as well.
        let new = parts.map(|part| part.split('/').next().unwrap_or(part).to_owned());
        waiting.extend(new.filter(|part| on.insert(part.clone())));
    }
    on
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    list(metadata, "packages")
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ORDER, direction, sans_io};

    /// The workspace with one dependency added.
    fn with(from: &str, to: &str, kind: &Value) -> Value {
        let package = |name: &&str| {
            let added = json!([{ "name": to, "kind": kind, "optional": false }]);
            json!({ "name": name, "features": {}, "dependencies": if *name == from { added } else { json!([]) } })
        };
        let names = [&ORDER[..], &["xtask"][..]].concat();
        json!({ "packages": names.iter().map(package).collect::<Vec<_>>() })
    }

    #[test]
    fn downwards_is_fine() {
        assert_eq!(
            direction(&with("ws-testkit", "ws-proto", &Value::Null)),
            Vec::<String>::new()
        );
        assert_eq!(
            direction(&with("xtask", "serde_json", &Value::Null)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn upwards_is_refused_for_development_too() {
        for kind in [Value::Null, json!("dev"), json!("build")] {
            let complaints = direction(&with("ws-proto", "ws-handler", &kind));
            assert_eq!(complaints, ["ws-proto depends on ws-handler"]);
        }
    }

    #[test]
    fn xtask_stands_alone() {
        assert_eq!(direction(&with("xtask", "ws-proto", &Value::Null)).len(), 1);
        assert_eq!(direction(&with("ws-testkit", "xtask", &json!("dev"))).len(), 1);
    }

    #[test]
    fn a_crate_that_is_gone_is_noticed() {
        assert_eq!(direction(&json!({ "packages": [] })).len(), ORDER.len());
        assert_eq!(sans_io(&json!({ "packages": [] })).len(), 1);
    }

    /// ws-proto with tokio-util, optional or not, and these features.
    fn proto(optional: bool, features: &Value) -> Value {
        let dependency = json!({ "name": "tokio-util", "kind": null, "optional": optional });
        json!({ "packages": [{ "name": "ws-proto", "features": features, "dependencies": [dependency] }] })
    }

    #[test]
    fn tokio_in_ws_proto_is_fine_only_behind_a_feature_that_is_off() {
        assert!(sans_io(&proto(true, &json!({ "codec": ["dep:tokio-util"] }))).is_empty());
        assert_eq!(
            sans_io(&proto(false, &json!({}))),
            ["ws-proto depends on tokio-util by default"]
        );
        let on = json!({ "default": ["codec"], "codec": ["dep:tokio-util"] });
        assert_eq!(sans_io(&proto(true, &on)).len(), 1);
        assert_eq!(
            sans_io(&proto(true, &json!({ "default": ["tokio-util/codec"] }))).len(),
            1
        );
    }
}
