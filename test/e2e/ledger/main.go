// Command ledger is a database under a load, for tests that snapshot it:
//
//	ledger write FILE    writes transactions for ever, and prints the number of each once it is committed
//	ledger check FILE    recovers the database, checks it, and prints how many transactions it has
//
// A transaction with the number n adds entry n, removes what is older than the last thousand,
// and sets the balance to n. It runs in guests: build it with CGO_ENABLED=0.
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const entriesKept = 1000

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("want write or check, and a file")
	}
	db, err := sql.Open("sqlite", "file:"+args[1]+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // what is committed is synced
	db.SetMaxOpenConns(1)
	if args[0] == "check" {
		return check(db)
	}
	return write(db)
}

func write(db *sql.DB) error {
	_, err := db.Exec(`CREATE TABLE entry (n INTEGER PRIMARY KEY, payload BLOB); CREATE TABLE balance (n INTEGER); INSERT INTO balance VALUES (0)`)
	for n := 1; err == nil; n++ {
		if err = transact(db, n); err == nil {
			fmt.Println(n)
		}
	}
	return err
}

func transact(db *sql.DB, n int) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after Commit
	if _, err := tx.Exec("INSERT INTO entry VALUES (?, randomblob(?))", n, 100+n*37%3000); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM entry WHERE n = ?", n-entriesKept); err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE balance SET n = ?", n); err != nil {
		return err
	}
	return tx.Commit()
}

func check(db *sql.DB) error {
	var says string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&says); err != nil {
		return err
	}
	var entries, last, balance int
	err := db.QueryRow("SELECT count(*), ifnull(max(n), 0), (SELECT n FROM balance) FROM entry").Scan(&entries, &last, &balance)
	if err != nil {
		return err
	}
	if says != "ok" || entries != min(last, entriesKept) || balance != last {
		return fmt.Errorf("integrity %q, %d entries, the last %d, balance %d", says, entries, last, balance)
	}
	fmt.Println(last)
	return nil
}
