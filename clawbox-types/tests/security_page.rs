//! SECURITY.md has a row for every item of the policy, and for nothing else.

use clawbox_types::PolicyItem;

#[test]
fn every_item_of_the_policy_stands_beside_the_standards_that_it_answers() {
    let page = include_str!("../../SECURITY.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<&str>> = rows
        .map(|row| row.split('|').map(str::trim).collect())
        .collect();
    let items: Vec<String> = PolicyItem::ALL
        .iter()
        .map(|item| format!("`{item}`"))
        .collect();
    let named: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(named, items);
    for row in &rows {
        assert_eq!(row.len(), 7, "five columns: {row:?}");
    }
}
