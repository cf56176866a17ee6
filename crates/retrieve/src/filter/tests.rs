//! Filters against a plain evaluation row by row, and their errors.

use super::*;
use crate::{ItemTable, Value};
use proptest::prelude::*;

const VALUES: [&str; 4] = ["a", "new balance", "x\"y\\", "not"];

fn any_filter() -> impl Strategy<Value = Filter> {
    let text = prop::sample::select(&VALUES[..]).prop_map(str::to_owned);
    let is_in = (prop::sample::select(&["brand", "country"][..]), prop::collection::vec(text, 1..3))
        .prop_map(|(column, values)| Filter::In { column: column.to_owned(), values });
    let orders = Order::ALL.map(|(order, _)| order);
    let compare = (prop::sample::select(orders.to_vec()), -3i8..3).prop_map(|(order, number)| {
        Filter::Compare { column: "bid".to_owned(), order, number: f64::from(number) / 2.0 }
    });
    prop_oneof![is_in, compare].prop_recursive(4, 20, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

#[derive(Debug, Clone)]
struct Row {
    brand: Option<&'static str>,
    countries: Vec<&'static str>,
    bid: Option<f64>,
}

fn any_row() -> impl Strategy<Value = Row> {
    let value = || prop::sample::select(&VALUES[..]);
    (prop::option::of(value()), prop::collection::vec(value(), 0..3), prop::option::of(-3i8..3)).prop_map(
        |(brand, countries, bid)| Row { brand, countries, bid: bid.map(|bid| f64::from(bid) / 2.0) },
    )
}

fn passes(filter: &Filter, row: &Row) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| passes(part, row)),
        Filter::Or(parts) => parts.iter().any(|part| passes(part, row)),
        Filter::Not(part) => !passes(part, row),
        Filter::In { column, values } if column == "brand" => {
            row.brand.is_some_and(|brand| values.iter().any(|value| value == brand))
        }
        Filter::In { values, .. } => {
            row.countries.iter().any(|country| values.iter().any(|value| value == country))
        }
        Filter::Compare { order, number, .. } => row.bid.is_some_and(|bid| order.holds(bid, *number)),
    }
}

proptest! {
    #[test]
    fn a_filter_passes_the_rows_that_it_is_true_of(filter in any_filter(), rows in prop::collection::vec(any_row(), 1..150)) {
        let mut table = ItemTable::new(0);
        // Every column exists.
        for (column, value) in [("brand", Value::Text("other")), ("country", Value::Text("other")), ("bid", Value::Number(9.0))] {
            let row = if table.is_empty() { table.push() } else { 0 };
            table.set(row, column, value).unwrap();
            table.set(row, column, Value::Absent).unwrap();
        }
        let rows: Vec<Row> = [Row { brand: None, countries: Vec::new(), bid: None }].into_iter().chain(rows).collect();
        for row in &rows[1..] {
            let at = table.push();
            table.set(at, "brand", row.brand.map_or(Value::Absent, Value::Text)).unwrap();
            table.set(at, "country", Value::Texts(&row.countries)).unwrap();
            table.set(at, "bid", row.bid.map_or(Value::Absent, Value::Number)).unwrap();
        }
        let got: Vec<u32> = filter.rows(&table).unwrap().iter().collect();
        let want: Vec<u32> = (0..rows.len()).filter(|&at| passes(&filter, &rows[at])).map(|at| at as u32).collect();
        prop_assert_eq!(got, want);
    }

    #[test]
    fn what_is_printed_parses_to_the_same_filter(filter in any_filter()) {
        prop_assert_eq!(filter.to_string().parse::<Filter>().unwrap(), filter);
    }

    #[test]
    fn the_normal_form_passes_the_same_rows_and_is_its_own(filter in any_filter(), rows in prop::collection::vec(any_row(), 1..40)) {
        let normal = filter.normal();
        prop_assert_eq!(&normal.normal(), &normal);
        for row in &rows {
            prop_assert_eq!(passes(&normal, row), passes(&filter, row));
        }
    }

    #[test]
    fn no_text_is_a_panic(text in ".{0,60}") {
        let _ = text.parse::<Filter>();
    }
}

#[test]
fn errors_say_where() {
    let check = |text: &str, message: &str| {
        assert_eq!(text.parse::<Filter>().unwrap_err().to_string(), message, "{text}");
    };
    check("", "character 1: the filter ends where a column is expected");
    check("bid >", "character 6: the filter ends where a number is expected");
    check("bid > x", "character 7: `x` where a number is expected");
    check("bid 3", "character 5: `3` where `=`, `!=`, `<`, `<=`, `>`, `>=` or `in` is expected");
    check("brand = 'x", "character 9: the quotes that begin here do not end");
    check("brand = a b", "character 11: `b` where `and`, `or` or the end is expected");
    check("(brand = a", "character 11: the filter ends where `)` is expected");
    check("brand in (a; b)", "character 12: `;` is not part of a filter; put values with signs in quotes");
    check(&"(".repeat(70), "more than 64 parentheses or `not`s inside each other");
}

#[test]
fn words_bind_as_in_other_languages() {
    let same = |a: &str, b: &str| assert_eq!(a.parse::<Filter>().unwrap(), b.parse::<Filter>().unwrap());
    same("a = 1 or b = 2 and not c = 3", "a = 1 or (b = 2 and (not c = 3))");
    same("a not in (1, '2')", "not a in (1, 2)");
    same("A != x AND b >= 1e3", "not A = x and b >= 1000");
}

#[test]
fn whole_columns_are_as_values_one_by_one() {
    let mut table = ItemTable::new(3);
    let mut names = semrank_core::Dictionary::new();
    let [us, de] = ["us", "de"].map(|name| names.insert(name));
    table.put_texts("country", names, vec![[us, de].into(), [].into(), [de].into()]);
    table.put_numbers("bid", vec![0.5, f64::NAN, f64::INFINITY]);
    table.put_unusable("raw", "it is of type Binary".to_owned());
    let rows = |table: &ItemTable, filter: &str| {
        filter.parse::<Filter>().unwrap().rows(table).map(|rows| rows.iter().collect::<Vec<_>>())
    };
    assert_eq!(rows(&table, "country = de").unwrap(), [0, 2]);
    assert_eq!(rows(&table, "bid > 0.5 or country = us").unwrap(), [0, 2]);
    assert_eq!(rows(&table, "not bid >= 0.5").unwrap(), [1]);
    table.set(1, "country", Value::Text("de")).unwrap();
    table.set(0, "country", Value::Texts(&["fr", "us"])).unwrap();
    assert_eq!(rows(&table, "country in (de, fr)").unwrap(), [0, 1, 2]);
    assert_eq!(table.push(), 3);
    for (row, price) in ["9.5", " 10", "007"].into_iter().enumerate() {
        table.set(row, "price", Value::Text(price)).unwrap();
    }
    assert_eq!(rows(&table, "price < 10").unwrap(), [0, 2], "numbers that came as texts");
    assert_eq!((rows(&table, "price = 7").unwrap(), rows(&table, "price = 007").unwrap()), (vec![], vec![2]));
    table.set(3, "price", Value::Text("nan")).unwrap();
    assert!(rows(&table, "price < 10").unwrap_err().to_string().contains("holds texts"));
    let error = rows(&table, "bid > 1 and raw = x").unwrap_err().to_string();
    assert_eq!(error, "column `raw` of the items cannot be used in a filter: it is of type Binary");
    assert!(table.set(0, "raw", Value::Number(1.0)).is_err());
}

#[test]
fn columns_and_values_that_do_not_fit_are_named() {
    let mut table = ItemTable::new(1);
    table.set(0, "brand", Value::Text("a")).unwrap();
    table.set(0, "bid", Value::Number(1.0)).unwrap();
    let check = |text: &str, message: &str| {
        assert_eq!(text.parse::<Filter>().unwrap().rows(&table).unwrap_err().to_string(), message);
    };
    check("brnd = a", "items have no column `brnd` (did you mean `brand`?); they have bid, brand");
    check("brand > 1", "column `brand` holds texts: it cannot be compared with `> 1`");
    check("bid = cheap", "column `bid` holds numbers: it cannot be compared with `cheap`");
    assert!(table.set(0, "bid", Value::Text("x")).is_err());
}
