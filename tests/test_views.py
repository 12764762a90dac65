"""What the text of a view says of the tables it reads, however it is written."""

import pytest

from provisioning import views


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        ("SELECT 1 FROM dbo.A AS a", [["A"]]),
        ("select a.* from [dbo].[My Table] a left join dbo.\"B\" on 1 = 1, C", [["My Table", "B", "C"]]),
        ("SELECT 1 FROM hr..A CROSS APPLY dbo.F(a.x) AS f WHERE a.y = 1", [["A", "F"]]),
        ("SELECT 1 FROM A UNION ALL SELECT 2 FROM B UNION SELECT 3 FROM C JOIN D ON 1 = 1", [["A"], ["B"], ["C", "D"]]),
        ("(SELECT 1 FROM A) UNION ALL (SELECT 2 FROM B)", [["A"], ["B"]]),
        # what a SELECT list, a condition or a comment reads
        ("SELECT (SELECT MAX(c.x) FROM Contracts AS c) AS 'title' FROM A", [["A"]]),
        ("SELECT 1 FROM A WHERE EXISTS (SELECT 1 FROM X UNION SELECT 1 FROM Y) ORDER BY 1", [["A"]]),
        ("SELECT 1 /* FROM X */ FROM A -- FROM Y\nJOIN (SELECT 1 FROM B UNION SELECT 2 FROM C) b", [["A", "B", "C"]]),
        ("SELECT ' FROM X ', [FROM] FROM A", [["A"]]),
        ("SELECT 1 FROM A EXCEPT SELECT 2 FROM B", [["A"]]),
        # whose rows they are is said further in
        ("SELECT 1 FROM (SELECT 1 FROM A UNION ALL SELECT 2 FROM B) AS p JOIN D ON 1 = 1", [["A", "D"], ["B", "D"]]),
        ("WITH p (x) AS (SELECT 1 FROM A UNION ALL SELECT 2 FROM B) SELECT 1 FROM p", [["A"], ["B"]]),
        ("WITH p AS (SELECT 1 FROM A), q AS (SELECT 1 FROM p) SELECT 1 FROM q JOIN D ON 1 = 1", [["A", "D"]]),
        ("WITH r AS (SELECT 1 FROM A UNION ALL SELECT 2 FROM r) SELECT 1 FROM r", [["A"], ["r"]]),
        ("SELECT 1 FROM (A JOIN B ON 1 = 1) JOIN C ON 1 = 1", [["A", "B", "C"]]),
        # nothing to go by
        ("", []),
        ("SELECT 1 AS placeholder", []),
        ("SELECT TRIM('x' FROM 'y') AS z", []),
        ("SELECT 1 FROM", []),
        ("SELECT (1 FROM A", []),
    ],
)  # fmt: skip
def test_the_tables_of_each_part_are_those_of_its_from_clause(definition: str, found: list[list[str]]) -> None:
    assert [list(part) for part in views.tables_read(f"CREATE VIEW dbo.ScimUsers AS {definition}")] == found


def test_texts_are_what_stands_in_quotes_and_no_comment() -> None:
    text = "CREATE VIEW v AS SELECT 'Employees' AS HrTable, N'O''Brien', \"Name\", [Other], '' -- 'not this'\nFROM A"
    assert views.texts(text) == {"Employees", "O'Brien", ""}
