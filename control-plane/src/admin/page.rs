//! The mesh at a glance, as one plain page: no script, nothing loaded, everything escaped.

use std::fmt::Write;

use super::PAGES;
use super::status::{Contested, Endpoint, Member, NOT_HEARD, Rejected, Service, Status, Unready};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta http-equiv=\"refresh\" content=\"2\">\n\
<meta name=\"viewport\" content=\"width=device-width\">\n<title>Outrider</title>\n<style>\n\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; \
color-scheme: light dark }\n\
table { border-collapse: collapse; width: 100% }\n\
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; \
border-bottom: 1px solid #8884 }\n\
h2 { margin-top: 2rem }\ncode { font-size: .9em }\n\
.good { color: #1a7f37 } .poor { color: #9a6700 } .bad { color: #cf222e }\n\
</style>\n</head>\n<body>\n";

/// The page.
pub fn render(status: &Status) -> String {
    let mut page = String::from(HEAD);
    overview(&mut page, status);
    services(&mut page, &status.services);
    contested(&mut page, &status.contested);
    sidecars(&mut page, &status.sidecars);
    links(&mut page);
    page.push_str("</body>\n</html>\n");
    page
}

fn overview(page: &mut String, status: &Status) {
    let version = code(&status.version);
    let documents = status.documents.version;
    page.push_str("<h1>Outrider</h1>\n");
    line(
        page,
        &format!(
            "Trust domain {}, configuration {version}, documents version {documents}.",
            code(&status.trust_domain)
        ),
    );
    if let Some(reason) = &status.documents.folder_refused {
        let reason = escape(reason);
        line(
            page,
            &format!("<span class=\"bad\">The folder of documents is refused:</span> {reason}"),
        );
    }
    if let Some(reason) = &status.store_unwritable {
        let reason = escape(reason);
        line(
            page,
            &format!("<span class=\"bad\">The disk of --data takes no writes:</span> {reason}"),
        );
    }
    if let Some(rollover) = &status.rollover {
        let (old, all) = (rollover.members_on_old_root, rollover.members);
        line(
            page,
            &format!(
                "The root is being replaced: {old} of {all} members are still on the old one."
            ),
        );
    }
    if status.grace_seconds > 0 {
        let seconds = status.grace_seconds;
        line(
            page,
            &format!("Nobody silent is removed for another {seconds} s."),
        );
    }
}

fn links(page: &mut String) {
    let links = PAGES.map(|path| format!("<a href=\"{path}\">{path}</a>"));
    line(page, &format!("Other pages: {}", links.join(" ")));
}

fn services(page: &mut String, services: &[Service]) {
    page.push_str("<h2>Services</h2>\n");
    table(page, &["service", "endpoints", "lease", "instance"]);
    for service in services {
        let name = name(&service.namespace, &service.name);
        let first = format!("{name}<br><small>{}</small>", service.kind);
        if service.endpoints.is_empty() {
            let none = match service.kind {
                "written" => "as written in its document",
                _ => "<span class=\"poor\">none</span>",
            };
            row(page, &[&first, none, "", ""]);
        }
        for (index, endpoint) in service.endpoints.iter().enumerate() {
            let first = if index == 0 { first.as_str() } else { "" };
            let address = code(&endpoint.address);
            let instance = code(&endpoint.instance);
            row(page, &[first, &address, &lease(endpoint), &instance]);
        }
        for Unready {
            address,
            instance,
            because,
            ..
        } in &service.unready
        {
            let because = format!("<span class=\"poor\">no calls</span> {}", escape(because));
            row(page, &["", &code(address), &because, &code(instance)]);
        }
    }
    page.push_str("</table>\n");
}

fn lease(endpoint: &Endpoint) -> String {
    let seconds = span(endpoint.lease_ms.abs() / 1_000);
    match (endpoint.state, endpoint.lease_ms) {
        ("live", 0..) => format!("<span class=\"good\">live</span>, {seconds} left"),
        (NOT_HEARD, _) => format!("<span class=\"poor\">{NOT_HEARD}</span>"),
        ("live", _) => format!("<span class=\"poor\">silent</span> for {seconds}, in grace"),
        (state, _) => format!("<span class=\"bad\">{state}</span> for {seconds}"),
    }
}

fn contested(page: &mut String, contested: &[Contested]) {
    for Contested {
        service,
        namespace,
        owner,
    } in contested
    {
        let (other, owner) = (name(namespace, service), escape(owner));
        line(
            page,
            &format!(
                "<span class=\"bad\">{other} has no effect:</span> the name belongs to {owner}."
            ),
        );
    }
}

fn sidecars(page: &mut String, members: &[Member]) {
    page.push_str("<h2>Sidecars</h2>\n");
    table(
        page,
        &[
            "sidecar",
            "connected",
            "configuration",
            "resources",
            "certificate",
        ],
    );
    for member in members {
        let who = name(&member.namespace, &member.service);
        let mut who = format!("{who}<br><small>{}</small>", escape(&member.node));
        if member.node_is_misnamed {
            who.push_str("<br><span class=\"poor\">its node names somebody else</span>");
        }
        let protocol = member.protocol;
        let connected = format!("{}, {protocol}", span(member.connected_seconds));
        let life = format!("{} left", span(member.certificate_seconds));
        let (version, resources) = (configuration(member), resources(member));
        row(page, &[&who, &connected, &version, &resources, &life]);
    }
    page.push_str("</table>\n");
}

fn configuration(member: &Member) -> String {
    let (version, age) = (code(&member.applied_version), span(member.applied_seconds));
    match (member.applied_version.is_empty(), member.is_current) {
        (true, _) => "<span class=\"poor\">none yet</span>".to_owned(),
        (false, true) => format!("<span class=\"good\">current</span> {version}, for {age}"),
        (false, false) => format!("<span class=\"poor\">behind</span>, has {version}, for {age}"),
    }
}

fn resources(member: &Member) -> String {
    let mut text = format!("{} told", member.resources);
    if member.pending > 0 {
        let _ = write!(text, ", {} unanswered", member.pending);
    }
    for Rejected {
        kind, name, reason, ..
    } in &member.rejected
    {
        let (name, reason) = (code(name), escape(reason));
        let _ = write!(
            text,
            "<br><span class=\"bad\">refuses {kind}</span> {name}: {reason}"
        );
    }
    text
}

fn table(page: &mut String, columns: &[&str]) {
    page.push_str("<table>\n<tr>");
    for column in columns {
        let _ = write!(page, "<th>{column}</th>");
    }
    page.push_str("</tr>\n");
}

/// Cells are markup: whoever makes one escapes what it is told.
fn row(page: &mut String, cells: &[&str]) {
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<td>{cell}</td>");
    }
    page.push_str("</tr>\n");
}

fn line(page: &mut String, markup: &str) {
    let _ = writeln!(page, "<p>{markup}</p>");
}

fn name(namespace: &str, service: &str) -> String {
    let (namespace, service) = (escape(namespace), escape(service));
    format!("<b>{service}</b> <small>of {namespace}</small>")
}

fn code(text: &str) -> String {
    format!("<code>{}</code>", escape(text))
}

/// Seconds in the largest units that say something.
fn span(seconds: i64) -> String {
    match seconds {
        ..0 => "0 s".to_owned(),
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn escape(text: &str) -> String {
    // Nearly every text is plain, and a large mesh has tens of thousands on its page.
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document_store::DocumentStoreStatus;
    use crate::members::old_root::OldRootUsage;

    /// A mesh in which every text is an attack.
    fn hostile() -> Status {
        let evil = || "<script>alert('1')</script>\"&".to_owned();
        Status {
            time_unix: 0,
            trust_domain: evil(),
            version: evil(),
            documents: DocumentStoreStatus {
                version: 3,
                folder: None,
                folder_refused: Some(evil()),
            },
            grace_seconds: 7,
            store_unwritable: Some(evil()),
            rollover: Some(OldRootUsage::default()),
            services: vec![Service {
                name: evil(),
                namespace: evil(),
                kind: "registered",
                endpoints: vec![Endpoint {
                    address: evil(),
                    instance: evil(),
                    state: "stale",
                    lease_ms: -61_000,
                    joined_unix_ms: 0,
                }],
                unready: vec![Unready {
                    address: evil(),
                    instance: evil(),
                    since_unix_ms: 0,
                    because: evil(),
                }],
            }],
            contested: vec![Contested {
                service: evil(),
                namespace: evil(),
                owner: evil(),
            }],
            sidecars: vec![Member {
                service: evil(),
                namespace: evil(),
                node: evil(),
                node_is_misnamed: true,
                user_agent: evil(),
                protocol: "delta",
                connected_seconds: 7_300,
                applied_version: evil(),
                applied_seconds: 5,
                is_current: false,
                resources: 2,
                pending: 1,
                rejected: vec![Rejected {
                    kind: "routes",
                    name: evil(),
                    version: evil(),
                    reason: evil(),
                }],
                certificate_seconds: 90_000,
            }],
        }
    }

    #[test]
    fn no_text_of_anybody_becomes_markup() {
        let page = render(&hostile());
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("alert('"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;"));
    }

    #[test]
    fn what_an_operator_looks_for_is_there() {
        let page = render(&hostile());
        let words = [
            "another 7 s",
            "stale</span> for 61 s",
            "no calls</span> &lt;script",
            "has no effect",
            "2 h, delta",
            "behind",
            "1 unanswered",
            "refuses routes",
            "25 h left",
            "names somebody else",
            "folder of documents is refused",
        ];
        for word in words {
            assert!(page.contains(word), "{word}: {page}");
        }
    }
}
