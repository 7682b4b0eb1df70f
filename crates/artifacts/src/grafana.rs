//! Grafana's classic dashboard JSON, schema version 42.

use bellwether_promql::{Dimension, Expression, Quantity, infer};
use serde_json::{Value, json};

use crate::dashboard::{Dashboard, Kind, Panel};
use crate::output::{Error, MARK, Output};
use crate::source::Source;

/// The dashboards of all domains, and an overview of them.
pub(crate) fn write(source: &Source) -> Result<Output, Error> {
    let mut output = Output::default();
    let folder = &source.settings.output.dashboards;
    output.own(folder.clone(), ".json");
    let shown = || source.domains.iter().filter(|domain| !domain.dashboard.rows.is_empty());
    for domain in shown() {
        let dashboard = &domain.dashboard;
        let first = domain.metrics.first().map(|metric| metric.name.as_str());
        output.add(folder.join(format!("{}.json", dashboard.slug)), json_of(source, dashboard, first)?);
    }
    let mut overview =
        Dashboard::new("overview", "Overview", "The signs of life of every domain, one row each.");
    for domain in shown() {
        let panels: Vec<Panel> = domain
            .dashboard
            .rows
            .iter()
            .flat_map(|row| &row.panels)
            .filter(|panel| panel.overview)
            .cloned()
            .collect();
        if !panels.is_empty() {
            overview = overview.row(&domain.dashboard.title, panels);
        }
    }
    if !overview.rows.is_empty() {
        let first = source
            .domains
            .iter()
            .find_map(|domain| domain.metrics.first())
            .map(|metric| metric.name.as_str());
        output.add(folder.join("overview.json"), json_of(source, &overview, first)?);
    }
    Ok(output)
}

/// A dashboard's uid: stable, and within Grafana's 40 characters.
pub(crate) fn uid(source: &Source, slug: &str) -> String {
    let uid = format!("{}-{slug}", source.settings.service);
    uid.chars().take(40).collect()
}

fn json_of(source: &Source, dashboard: &Dashboard, metric: Option<&str>) -> Result<String, Error> {
    let title = match source.settings.title.as_str() {
        "" => dashboard.title.clone(),
        title => format!("{title} / {}", dashboard.title),
    };
    let document = json!({
        "uid": uid(source, &dashboard.slug),
        "title": title,
        "description": format!("{} {MARK} dashboards` from the source; a copy can be edited.", dashboard.description),
        "tags": ["bellwether", source.settings.service],
        "timezone": "browser",
        "editable": true,
        "graphTooltip": 1,
        "time": { "from": "now-1h", "to": "now" },
        "refresh": "30s",
        "schemaVersion": 42,
        "version": 1,
        "annotations": { "list": [alert_annotation(source)] },
        "links": [{
            "title": "Dashboards", "type": "dashboards", "icon": "external link", "tooltip": "The other domains",
            "tags": ["bellwether", source.settings.service], "asDropdown": true, "targetBlank": false,
            "includeVars": true, "keepTime": true, "url": "",
        }],
        "templating": { "list": variables(source, dashboard, metric)? },
        "panels": panels(source, dashboard)?,
    });
    Ok(format!("{document:#}\n"))
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

fn alert_annotation(source: &Source) -> Value {
    let matchers: Vec<String> = ["job"]
        .iter()
        .filter(|name| source.settings.selector.iter().any(|label| label == *name))
        .map(|name| format!(",{name}=~\"${name}\""))
        .collect();
    json!({
        "name": "Alerts",
        "datasource": datasource(),
        "enable": true,
        "iconColor": "red",
        "expr": format!("ALERTS{{alertstate=\"firing\"{}}}", matchers.concat()),
        "step": "30s",
        "titleFormat": "{{alertname}}",
        "textFormat": "{{severity}}",
        "useValueForTime": false,
    })
}

fn variables(source: &Source, dashboard: &Dashboard, metric: Option<&str>) -> Result<Vec<Value>, Error> {
    let mut list = vec![
        json!({ "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus" }),
    ];
    let mut chosen = String::new();
    let exposed = |name: &str| -> Result<String, Error> { Ok(source.rewrite(name, &[])?.to_string()) };
    let series = match metric {
        Some(name) => {
            source.declared.get(name).and_then(|metric| metric.series_names().last()).map(|(name, _)| name)
        }
        None => None,
    };
    let series = match series {
        Some(name) => exposed(&name)?,
        None => "up".to_owned(),
    };
    let choices = source.settings.selector.iter().map(|label| (label.clone(), series.clone(), label.clone()));
    let own: Result<Vec<_>, Error> = dashboard
        .variables
        .iter()
        .map(|variable| Ok((variable.name.clone(), exposed(&variable.metric)?, variable.label.clone())))
        .collect();
    for (name, metric, label) in choices.chain(own?) {
        let matchers = if chosen.is_empty() { String::new() } else { format!("{{{chosen}}}") };
        let query = format!("label_values({metric}{matchers}, {label})");
        list.push(json!({
            "name": name,
            "label": title_case(&name),
            "type": "query",
            "datasource": datasource(),
            "query": query,
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "multi": true,
            "includeAll": true,
            "allValue": ".*",
            "current": { "selected": true, "text": ["All"], "value": ["$__all"] },
        }));
        if source.settings.selector.contains(&name) {
            chosen.push_str(&format!("{}{label}=~\"${name}\"", if chosen.is_empty() { "" } else { "," }));
        }
    }
    Ok(list)
}

fn title_case(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Grafana's grid is 24 wide.
const GRID: u64 = 24;

fn panels(source: &Source, dashboard: &Dashboard) -> Result<Vec<Value>, Error> {
    let (mut list, mut y, mut id) = (Vec::new(), 0, 1_u64);
    for row in &dashboard.rows {
        list.push(json!({
            "type": "row", "id": id, "title": row.title, "collapsed": false, "panels": [],
            "gridPos": { "h": 1, "w": GRID, "x": 0, "y": y },
        }));
        id += 1;
        y += 1;
        let mut x = 0;
        let mut height = 0;
        let small = row.panels.iter().filter(|panel| is_small(panel)).count() as u64;
        let large = row.panels.len() as u64 - small;
        for panel in &row.panels {
            let (w, h) = if is_small(panel) {
                (if large == 0 { GRID / small.clamp(1, 6) } else { GRID / 6 }, if large == 0 { 5 } else { 8 })
            } else {
                // Two or three in a line, whatever fills it.
                let room = GRID - if small > 0 && large < 3 { small * (GRID / 6) % GRID } else { 0 };
                (room / if large.is_multiple_of(3) { 3 } else { large.clamp(1, 2) }, 8)
            };
            if x + w > GRID {
                x = 0;
                y += height;
                height = 0;
            }
            list.push(panel_json(source, panel, id, json!({ "h": h, "w": w, "x": x, "y": y }))?);
            id += 1;
            x += w;
            height = height.max(h);
        }
        y += height;
    }
    Ok(list)
}

fn is_small(panel: &Panel) -> bool {
    matches!(panel.kind, Kind::Stat | Kind::Gauge)
}

fn panel_json(source: &Source, panel: &Panel, id: u64, grid: Value) -> Result<Value, Error> {
    let mut targets = Vec::new();
    for (at, query) in panel.queries.iter().enumerate() {
        let expr = source.for_dashboards(&query.expr)?.to_string();
        let instant = panel.kind == Kind::Table;
        targets.push(json!({
            "refId": char::from(b'A' + (at % 26) as u8).to_string(),
            "datasource": datasource(),
            "expr": expr,
            "legendFormat": query.legend,
            "format": match panel.kind { Kind::Heatmap => "heatmap", Kind::Table => "table", _ => "time_series" },
            "instant": instant,
            "range": !instant,
            "editorMode": "code",
        }));
    }
    let mut links = Vec::new();
    if let Some((alert, _)) = &panel.alert {
        links.push(json!({
            "title": format!("Runbook: {alert}"), "type": "link", "icon": "doc", "tooltip": "", "tags": [],
            "asDropdown": false, "targetBlank": true, "includeVars": false, "keepTime": false,
            "url": crate::rules::runbook_url(source, alert),
        }));
    }
    let mut defaults = json!({
        "unit": panel.unit.map_or_else(|| inferred_unit(source, panel), str::to_owned),
        "color": { "mode": if is_small(panel) { "thresholds" } else { "palette-classic" } },
        "thresholds": thresholds(source, panel)?,
        "custom": custom(panel),
        "mappings": [],
    });
    if let Some(min) = panel.range.0 {
        defaults["min"] = json!(min);
    }
    if let Some(max) = panel.range.1 {
        defaults["max"] = json!(max);
    }
    Ok(json!({
        "id": id,
        "type": type_of(panel.kind),
        "title": panel.title,
        "description": panel.description,
        "datasource": datasource(),
        "gridPos": grid,
        "links": links,
        "targets": targets,
        "fieldConfig": { "defaults": defaults, "overrides": [] },
        "options": options(panel),
    }))
}

const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Stat => "stat",
        Kind::Timeseries => "timeseries",
        Kind::Heatmap => "heatmap",
        Kind::Gauge => "gauge",
        Kind::Table => "table",
        Kind::StateTimeline => "state-timeline",
    }
}

fn thresholds(source: &Source, panel: &Panel) -> Result<Value, Error> {
    let mut steps = vec![json!({ "value": null, "color": "green" })];
    if let Some((alert, name)) = &panel.alert {
        let all = || source.alerts().filter(|(_, own)| own.name == *alert).map(|(_, own)| own);
        let value = all().flat_map(|own| &own.thresholds).find(|threshold| threshold.name == *name);
        match value {
            Some(threshold) => steps.push(json!({ "value": threshold.value, "color": "red" })),
            // A disabled alert has no line.
            None if source.settings.rules.disabled.contains(alert) => {}
            None => {
                let message = format!("its alert {alert} has no threshold {name:?}");
                return Err(Error::Declaration { place: format!("panel {:?}", panel.title), message });
            }
        }
    }
    steps.extend(panel.thresholds.iter().map(|(value, color)| json!({ "value": value, "color": color })));
    Ok(json!({ "mode": "absolute", "steps": steps }))
}

fn custom(panel: &Panel) -> Value {
    match panel.kind {
        Kind::Timeseries => json!({
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": if panel.stacked { 30 } else { 10 },
            "showPoints": "auto",
            "spanNulls": false,
            "stacking": { "mode": if panel.stacked { "normal" } else { "none" }, "group": "A" },
            "thresholdsStyle": { "mode": if panel.alert.is_some() || !panel.thresholds.is_empty() { "dashed" } else { "off" } },
        }),
        Kind::StateTimeline => json!({ "fillOpacity": 70, "lineWidth": 0 }),
        Kind::Heatmap => json!({ "hideFrom": { "legend": false, "tooltip": false, "viz": false } }),
        Kind::Table => json!({ "align": "auto", "inspect": false }),
        Kind::Stat | Kind::Gauge => json!({}),
    }
}

fn options(panel: &Panel) -> Value {
    let latest = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
    match panel.kind {
        Kind::Timeseries => json!({
            "legend": { "displayMode": "table", "placement": "bottom", "showLegend": true, "calcs": ["lastNotNull", "max"] },
            "tooltip": { "mode": "multi", "sort": "desc" },
        }),
        Kind::Stat => json!({
            "reduceOptions": latest, "colorMode": "value", "graphMode": "area", "justifyMode": "auto",
            "textMode": "auto", "wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard", "orientation": "auto",
        }),
        Kind::Gauge => {
            json!({ "reduceOptions": latest, "showThresholdLabels": false, "showThresholdMarkers": true, "sizing": "auto", "minVizWidth": 75, "minVizHeight": 75, "orientation": "auto" })
        }
        Kind::Heatmap => json!({
            "calculate": false,
            "color": { "mode": "scheme", "scheme": "Spectral", "steps": 64, "exponent": 0.5, "fill": "dark-orange", "reverse": false },
            "cellGap": 1,
            "showValue": "never",
            "filterValues": { "le": 1e-9 },
            "exemplars": { "color": "rgba(255,0,255,0.7)" },
            "legend": { "show": true },
            "rowsFrame": { "layout": "auto" },
            "tooltip": { "mode": "single", "yHistogram": false, "showColorScale": false },
            "yAxis": { "axisPlacement": "left", "unit": panel.unit.unwrap_or("s") },
        }),
        Kind::Table => json!({ "showHeader": true, "cellHeight": "sm", "frameIndex": 0 }),
        Kind::StateTimeline => json!({
            "showValue": "auto", "mergeValues": true, "rowHeight": 0.9,
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": [] },
            "tooltip": { "mode": "single", "sort": "none" },
        }),
    }
}

/// The unit of a panel, from what the checker infers for its first query.
fn inferred_unit(source: &Source, panel: &Panel) -> String {
    let first = panel.queries.first().and_then(|query| Expression::parse(&query.expr).ok());
    let Some(expression) = first else { return "short".to_owned() };
    let kind = infer(&expression, &source.declared, &["job", "instance"]);
    let Some(dimension) = kind.dimension else { return "short".to_owned() };
    if panel.kind == Kind::Heatmap {
        return "short".to_owned();
    }
    unit_of(dimension, kind.quantity).to_owned()
}

fn unit_of(dimension: Dimension, quantity: Quantity) -> &'static str {
    match (dimension.seconds, dimension.bytes) {
        _ if dimension.ratio => "percentunit",
        _ if dimension.timestamp => "dateTimeFromNow",
        (1, 0) => "s",
        (0, 1) => "bytes",
        (-1, 1) => "Bps",
        (-1, 0) => "cps",
        // Seconds of work a second: how busy something is.
        (0, 0) if quantity == Quantity::Rate => "percentunit",
        _ => "short",
    }
}
