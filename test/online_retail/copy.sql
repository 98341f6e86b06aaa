-- The file, on standard input.
\copy retail.arrived (invoice, stock_code, description, quantity, invoice_date, unit_price, customer, country) FROM pstdin (FORMAT csv, HEADER true)
