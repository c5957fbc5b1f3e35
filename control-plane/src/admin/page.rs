//! The mesh at a glance, as one plain page: no script, nothing loaded, everything escaped.

use std::fmt::Write;

use super::PAGES;
use super::markup::{code, escape, line, name, row, span, table};
use super::status::{Contested, Endpoint, Member, NOT_HEARD, Rejected, Status, Unready};
use super::view::Filter;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width\">\n<title>Outrider</title>\n<style>\n\
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; \
color-scheme: light dark }\n\
table { border-collapse: collapse; width: 100% }\n\
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; \
border-bottom: 1px solid #8884 }\n\
h2 { margin-top: 2rem }\ncode { font-size: .9em }\n\
.good { color: #1a7f37 } .poor { color: #9a6700 } .bad { color: #cf222e }\n\
</style>\n";

/// Not on a page with a field to write in: what is being typed would be lost.
const REFRESH: &str = "<meta http-equiv=\"refresh\" content=\"2\">\n";

/// The page of what the filter finds.
pub fn render(status: &Status, filter: &Filter) -> String {
    let all_services = status.services.len() == status.services_found;
    let all_sidecars = status.sidecars.len() == status.sidecars_found;
    let is_whole = all_services && all_sidecars;
    let mut page = String::from(HEAD);
    page.push_str(if is_whole { REFRESH } else { "" });
    page.push_str("</head>\n<body>\n");
    overview(&mut page, status);
    if !is_whole {
        form(&mut page, filter);
    }
    if !filter.service.is_empty() {
        let part = code(&filter.service);
        let found = format!("Only services with {part} in their names. <a href=\"/\">Show all</a>");
        line(&mut page, &found);
    }
    services(&mut page, status);
    contested(&mut page, &status.contested);
    sidecars(&mut page, status);
    links(&mut page);
    page.push_str("</body>\n</html>\n");
    page
}

fn form(page: &mut String, filter: &Filter) {
    let part = escape(&filter.service);
    let _ = writeln!(
        page,
        "<form><label>Service: <input name=\"service\" value=\"{part}\"></label> \
         <button>Find</button></form>"
    );
}

/// How many there are, where not all are shown.
fn count(page: &mut String, shown: usize, found: usize) {
    if shown < found {
        let count = format!("{shown} of {found} are shown, those in trouble first.");
        line(page, &count);
    }
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
    if let Some(warning) = status.authorization_warning {
        line(page, &format!("<span class=\"poor\">{warning}</span>"));
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
            &format!("Silent instances are kept for another {seconds} s."),
        );
    }
}

fn links(page: &mut String) {
    let links = PAGES.map(|path| format!("<a href=\"{path}\">{path}</a>"));
    line(page, &format!("Other pages: {}", links.join(" ")));
}

fn services(page: &mut String, status: &Status) {
    let services = &status.services;
    page.push_str("<h2>Services</h2>\n");
    count(page, services.len(), status.services_found);
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

fn sidecars(page: &mut String, status: &Status) {
    let members = &status.sidecars;
    page.push_str("<h2>Sidecars</h2>\n");
    count(page, members.len(), status.sidecars_found);
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
    let mut text = format!("{} sent", member.resources);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::status::{OPEN_MESH, Service};
    use crate::document_store::DocumentStoreStatus;
    use crate::members::old_root::OldRootUsage;

    fn evil() -> String {
        "<script>alert('1')</script>\"&".to_owned()
    }

    /// A mesh in which every text is an attack.
    fn hostile() -> Status {
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
            authorization_warning: Some(OPEN_MESH),
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
            services_found: 1,
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
            sidecars_found: 1,
        }
    }

    #[test]
    fn no_text_of_anybody_becomes_markup() {
        let page = render(&hostile(), &Filter::default());
        assert!(!page.contains("<script"), "{page}");
        assert!(!page.contains("alert('"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;"));
    }

    #[test]
    fn what_the_address_asks_for_never_becomes_markup() {
        let mut status = hostile();
        status.services_found = 2;
        let page = render(&status, &Filter { service: evil() });
        assert!(page.contains("value=\"&lt;script&gt;"), "{page}");
        assert!(
            page.contains("services with <code>&lt;script&gt;"),
            "{page}"
        );
        assert!(!page.contains("<script"), "{page}");
    }

    #[test]
    fn a_page_that_shows_a_part_has_a_form_and_does_not_reload() {
        let filter = Filter::default();
        let (whole, mut part) = (render(&hostile(), &filter), hostile());
        part.sidecars_found = 9;
        let part = render(&part, &filter);
        assert!(whole.contains("refresh") && !whole.contains("<form>"));
        assert!(!part.contains("refresh") && part.contains("<form>"));
        assert!(part.contains("1 of 9 are shown"), "{part}");
    }

    #[test]
    fn what_an_operator_looks_for_is_there() {
        let page = render(&hostile(), &Filter::default());
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
