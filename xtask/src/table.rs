//! Text in columns.

/// No column but the last is wider than this: a seccomp profile would hide all else.
const WIDEST: usize = 60;

/// Lines up the rows' cells, each on one line; the first row is the heading.
pub(crate) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut lines: Vec<[String; N]> = Vec::new();
    for row in rows {
        let mut line = row.each_ref().map(|cell| one_line(cell));
        for cell in line.iter_mut().rev().skip(1) {
            *cell = shorten(cell);
        }
        lines.push(line);
    }
    let mut widths = [0; N];
    for row in &lines {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &lines {
        let line: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn one_line(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shorten(cell: &str) -> String {
    match cell.char_indices().nth(WIDEST) {
        None => cell.to_owned(),
        Some((end, _)) => format!("{}…", &cell[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "b"], ["longer", "x\n y"]].map(|row| row.map(String::from));
        assert_eq!(table(&rows), "a       b\nlonger  x y\n");
    }

    #[test]
    fn long_cells_are_cut_between_characters() {
        let cell = shorten(&"é".repeat(WIDEST + 5));
        assert_eq!(cell.chars().count(), WIDEST + 1);
    }
}
