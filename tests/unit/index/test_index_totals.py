from index_helpers import asked, index_of, mail

from archiver.index import By, Total
from archiver.model import Address, Part

ANN, BOB = Address("Ann", "Ann@Example.com"), Address("", "bob@example.com")
PDF = Part(digest="ab" * 32, size=500, type="Application/PDF", name="a.pdf")
MAY, JUNE = 1_714_521_600, 1_717_200_000

MAILS = (
    mail("alpha", size=100, date=MAY, authors=(ANN,), parts=(PDF, PDF)),
    mail("alpha", size=200, date=JUNE - 1, authors=(ANN, BOB)),
    mail("alpha", size=20_000, date=JUNE, authors=(), parts=(PDF,)),
    mail("beta", size=5 << 20, date=None, authors=(Address("No address", ""),)),
)


def test_totals() -> None:
    """Each message counts once in every row that it belongs to, and what it lacks is a row."""
    with index_of(*MAILS) as index:
        everything = asked("")
        assert index.total(everything) == Total("", 4, 300 + 20_000 + (5 << 20))
        assert index.totals(everything, By.SENDER) == [
            Total("", 2, 20_000 + (5 << 20)),
            Total("ann@example.com", 2, 300),
            Total("bob@example.com", 1, 200),
        ]
        assert index.totals(everything, By.MONTH) == [
            Total("", 1, 5 << 20),
            Total("2024-05", 2, 300),
            Total("2024-06", 1, 20_000),
        ]
        assert index.totals(everything, By.TYPE) == [Total("application/pdf", 2, 1_500)]
        assert index.totals(everything, By.SIZE) == [
            Total("up to 10 KiB", 2, 300),
            Total("up to 100 KiB", 1, 20_000),
            Total("up to 10 MiB", 1, 5 << 20),
        ]


def test_domains_of_a_query() -> None:
    """Only what a query asks for is counted, and only so many rows are given."""
    with index_of(*MAILS) as index:
        alpha = asked("alpha")
        assert index.total(alpha).messages == 3
        assert index.totals(alpha, By.DOMAIN, limit=1) == [Total("example.com", 2, 300)]
        assert index.totals(asked("gamma"), By.SENDER) == []
        assert index.total(asked("gamma")) == Total("", 0, 0)
