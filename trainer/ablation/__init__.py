"""Many runs to one table: which runs, who does each, and what came out.

A study is a list of cells, each a complete configuration and how its model is read. Everything lies in one folder:

    study.json             the cells, the data and how they are judged: the study goes on only as what it was
    runs/CELL/             one run a cell, as ``fit`` leaves it; cells of equal configuration share one
    rows/CELL.jsonl        figures of single slices, as ``evaluate`` keeps them
    rows/CELL.json         that all of them are there, and what they are of
    table.md, .csv, .json  what came out, so far
    slices.csv             the table's figures of every slice
    plot.png, .svg         GED and Dice along the number in which the cells differ, if it is one

Whatever is there is not done again. Any number of processes may work on one folder: each takes the cells that nobody
else holds. A finished cell needs only its rows: runs may be deleted to save room, and the tables are still made.
"""
