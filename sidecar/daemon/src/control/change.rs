//! Changes of the documents that are refused although each document is right.
//!
//! Some changes are probably accidents: a file was read between its truncation and the next write, or a
//! folder was unmounted. Those are refused as a whole, and the message says how to make the change on
//! purpose. Knows no files, and of what is in force only what it compares.

use super::documents::Loaded;

/// Why `next` must not replace `in_force`; empty when it may.
pub fn problems(in_force: &Loaded, next: &Loaded) -> Vec<String> {
    let mut problems = Vec::new();
    if next.trust_domain != in_force.trust_domain {
        problems.push(format!(
            "the trust domain changed from {} to {}: that needs a restart and new certificates",
            in_force.trust_domain, next.trust_domain
        ));
    }
    for file in next.blank.intersection(&in_force.written) {
        problems.push(format!(
            "{file} is empty, but documents from it are in force: delete it if that is meant"
        ));
    }
    if next.services_count == 0 && in_force.services_count > 0 {
        problems.push(
            "no service is left: restart with a folder without services if that is meant"
                .to_owned(),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::documents::load;
    use crate::xds;

    const MESH: &str = "apiVersion: outrider.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\n\
                        spec: { trustDomain: other.local }\n";

    fn service(name: &str) -> String {
        format!(
            "apiVersion: outrider.dev/v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec:\n  \
             tls: none\n  endpoints: {{ static: [ {{ address: \"127.0.0.1:1\" }} ] }}\n"
        )
    }

    /// Names and texts of files.
    type Set<'a> = &'a [(&'a str, &'a str)];

    fn loaded(files: Set<'_>) -> Loaded {
        let files = files
            .iter()
            .map(|(name, text)| (String::from(*name), String::from(*text)));
        load(&files.collect(), &xds::Configuration::default()).expect("the documents are right")
    }

    #[test]
    fn what_looks_like_an_accident_is_refused() {
        let (orders, payments) = (service("orders"), service("payments"));
        let before = [("a.yaml", orders.as_str()), ("b.yaml", payments.as_str())];
        let cases: [(&str, Set<'_>, usize); 7] = [
            ("nothing changed", &before, 0),
            ("a file is deleted", &[("a.yaml", &orders)], 0),
            (
                "a file is truncated",
                &[("a.yaml", &orders), ("b.yaml", "")],
                1,
            ),
            (
                "its first line is a comment",
                &[("a.yaml", &orders), ("b.yaml", "# Payments.\n---\n")],
                1,
            ),
            (
                "another file begins empty",
                &[("a.yaml", &orders), ("b.yaml", &payments), ("c.yaml", "")],
                0,
            ),
            ("no service is left", &[("c.yaml", "")], 1),
            (
                "all files are truncated",
                &[("a.yaml", ""), ("b.yaml", "")],
                3,
            ),
        ];
        let before = loaded(&before);
        for (rule, after, expected) in cases {
            let problems = problems(&before, &loaded(after));
            assert_eq!(problems.len(), expected, "{rule}: {problems:?}");
        }
    }

    #[test]
    fn the_trust_domain_stays() {
        let orders = service("orders");
        let before = loaded(&[("a.yaml", &orders)]);
        let after = loaded(&[("a.yaml", &orders), ("mesh.yaml", MESH)]);
        assert_eq!(
            problems(&before, &after),
            [
                "the trust domain changed from outrider.local to other.local: that needs a restart \
              and new certificates"
            ]
        );
    }
}
