// JDBC, with pgJDBC.
import java.sql.*;
import java.util.*;
import javax.sql.PooledConnection;
import org.postgresql.ds.PGConnectionPoolDataSource;
import org.postgresql.util.PSQLException;

public class TestJdbc extends Checks
{
	static final String IDS = "SELECT customer_id FROM shop.customer ORDER BY customer_id";
	static final String UPSERT = "INSERT INTO %s (name, email) VALUES (?, ?) ON CONFLICT (email) DO UPDATE SET name = EXCLUDED.name RETURNING name";
	static String url;
	static Connection c;

	TestJdbc() throws Exception
	{
		super("jdbc");
	}

	static Connection connect(String user) throws SQLException
	{
		return DriverManager.getConnection(url + "?user=" + user);
	}

	/** The first column of what a query brings. */
	@SuppressWarnings("unchecked")
	static <T> List<T> column(Connection c, String query, Object... values) throws SQLException
	{
		List<T> got = new ArrayList<>();

		try (PreparedStatement s = c.prepareStatement(query))
		{
			for (int i = 0; i < values.length; i++)
				s.setObject(i + 1, values[i]);
			ResultSet r = s.executeQuery();
			while (r.next())
				got.add((T) r.getObject(1));
		}
		return got;
	}

	static int changed(Connection c, String query, Object... values) throws SQLException
	{
		try (PreparedStatement s = c.prepareStatement(query))
		{
			for (int i = 0; i < values.length; i++)
				s.setObject(i + 1, values[i]);
			return s.executeUpdate();
		}
	}

	static <T> T service(Purpose.Work<T> work) throws SQLException
	{
		return Purpose.of("service", c, work);
	}

	static Customer find(String purpose, long id) throws SQLException
	{
		return Purpose.of(purpose, c, c -> {
			try (PreparedStatement s = c.prepareStatement("SELECT * FROM " + Customer.RELATION + " WHERE " + Customer.KEY[0] + " = ?"))
			{
				s.setLong(1, id);
				ResultSet r = s.executeQuery();
				return r.next() ? Customer.of(r) : null;
			}
		});
	}

	static void write(Connection c, Customer row) throws SQLException
	{
		same(changed(c, "UPDATE shop.customer SET name = ?, email = ?, phone = ? WHERE customer_id = ?", row.name(), row.email(), row.phone(), row.customerId()), 1);
	}

	void reading()
	{
		check("purpose", () -> {
			same(Purpose.of("marketing", c, c -> column(c, IDS)), MARKETING);
			same(service(c -> column(c, IDS)), SERVICE);
			raises("42501", () -> column(c, IDS));
		});
		check("role", () -> same(column(connect("shop_news"), IDS), MARKETING));
		check("view", () -> {
			ResultSet r = c.createStatement().executeQuery("SELECT * FROM " + MarketingCustomer.RELATION + " ORDER BY " + MarketingCustomer.KEY[0]);
			List<Long> got = new ArrayList<>();

			while (r.next())
				got.add(MarketingCustomer.of(r).customerId());
			same(got, MARKETING);
		});
		check("read", () -> {
			same(find("service", 7).name(), "Name 7");
			same(service(c -> column(c, "SELECT customer_id FROM shop.customer WHERE email LIKE ? ORDER BY 1", "mail1%")), List.of(1L, 10L));
			same(service(c -> column(c, "SELECT count(*) FROM shop.customer WHERE customer_id <= 10")), List.of(10L));
			same(service(c -> column(c, "SELECT c.name || ' ' || p.price::integer FROM shop.customer AS c JOIN shop.purchase AS p USING (customer_id) WHERE c.customer_id = 3")),
				List.of("Name 3 30"));
		});
		check("masked_read", () -> {
			same(Purpose.of("marketing", c, c -> column(c, "SELECT customer_id FROM shop.customer WHERE email IS NULL ORDER BY 1")), KEPT_BACK);
			same(find("marketing", 4).email(), null);
			same(find("marketing", 4).name(), "Name 4");
		});
		check("prepared", () -> {
			PreparedStatement s = c.prepareStatement("SELECT customer_id FROM shop.customer WHERE customer_id < ?");
			for (int i = 0; i < 14; i++)
				for (String name : List.of("marketing", "service"))
					Purpose.of(name, c, c -> {
						int n = 0;

						s.setLong(1, 100);
						for (ResultSet r = s.executeQuery(); r.next();)
							n++;
						same(n, name.equals("service") ? 10 : 5);
						return null;
					});
			same(column(c, "SELECT generic_plans > 0 AND NOT from_sql FROM pg_prepared_statements WHERE statement LIKE '%customer_id < $1'"), List.of(true));
		});
		check("partial", () -> Purpose.of("marketing", c, c -> {
			Statement s = c.createStatement();
			List<Long> got = new ArrayList<>();

			s.setFetchSize(2);
			ResultSet r = s.executeQuery(IDS);
			r.next();
			got.add(r.getLong(1));
			column(c, "SELECT personalize.set_purpose('service')");
			while (r.next())
				got.add(r.getLong(1));
			same(got, MARKETING);
			return null;
		}));
	}

	void writing()
	{
		check("create", () -> {
			PreparedStatement s = c.prepareStatement("INSERT INTO shop.customer (name, email) VALUES ('New', 'new@shop.example')", new String[] {"customer_id", "joined"});

			s.executeUpdate();
			ResultSet r = s.getGeneratedKeys();
			r.next();
			same(r.getLong(1), 11L);
			same(r.getTimestamp(2) != null, true);
		});
		check("update", () -> {
			same(service(c -> changed(c, "UPDATE shop.customer SET phone = ? WHERE customer_id = ?", "555-0", 2L)), 1);
			same(find("service", 2).phone(), "555-0");
		});
		check("delete", () -> {
			same(service(c -> changed(c, "DELETE FROM shop.customer WHERE customer_id = ?", 11L)), 1);
			same(find("service", 11), null);
		});
		check("upsert", () -> service(c -> {
			same(column(c, UPSERT.formatted("shop.customer"), "One", "up@shop.example"), List.of("One"));
			same(column(c, UPSERT.formatted("shop.customer"), "Two", "up@shop.example"), List.of("Two"));
			return changed(c, "DELETE FROM shop.customer WHERE email = 'up@shop.example'");
		}));
		check("returning", () -> service(c -> {
			PreparedStatement s = c.prepareStatement("UPDATE shop.customer SET phone = phone WHERE customer_id = 8", new String[] {"name"});

			s.executeUpdate();
			ResultSet r = s.getGeneratedKeys();
			r.next();
			same(r.getString(1), "Name 8");
			return null;
		}));
		check("view_write", () -> {
			long key = TestJdbc.<Long>column(c, "INSERT INTO service.customer (name, email) VALUES ('V', 'v@shop.example') RETURNING customer_id").get(0);

			same(changed(c, "UPDATE service.customer SET phone = '1' WHERE customer_id = ?", key), 1);
			same(column(c, UPSERT.formatted("service.customer"), "W", "v@shop.example"), List.of("W"));
			same(find("service", key).joined() != null, true);
			same(changed(c, "DELETE FROM service.customer WHERE customer_id = ?", key), 1);
		});
		check("masked_write", () -> {
			Customer four = find("marketing", 4);

			raises("42501", () -> Purpose.of("marketing", c, c -> {
				write(c, new Customer(four.customerId(), "Changed", four.email(), four.phone(), four.joined()));
				return null;
			}));
			same(find("service", 4).name(), "Name 4");
			same(find("service", 4).email(), "mail4@shop.example");
		});
		check("hidden", () -> {
			same(find("marketing", 6), null);
			same(Purpose.of("marketing", c, c -> changed(c, "UPDATE shop.customer SET name = 'x' WHERE customer_id = 6")), 0);
			same(find("service", 6).name(), "Name 6");
		});
	}

	void types()
	{
		check("types", () -> {
			try (Statement s = c.createStatement())
			{
				ResultSet r = s.executeQuery("SELECT * FROM " + Every.RELATION + " WHERE " + Every.KEY[0] + " = 1");
				r.next();
				Every row = Every.of(r);
				same(List.of(row.yes(), List.of((Object[]) row.tags().getArray()), row.mood(), row.bounded().toString(), row.fixed(), row.doc(),
					row.oddExitCOne(), row.classColumn(), row.twice()),
					List.of(false, List.of("a", "b"), "so so", "12345.678", "fix", "{\"a\": 1}", "odd", "class", "plainplain"));
				same(s.executeUpdate("UPDATE " + Every.RELATION + " SET plain = 'new' WHERE " + Every.KEY[0] + " = 1"), 1);
				r = s.executeQuery("INSERT INTO " + Every.RELATION + " (plain) SELECT plain FROM " + Every.RELATION + " RETURNING *");
				r.next();
				same(Every.of(r).twice(), "newnew");
			}
		});
	}

	void pooling() throws SQLException
	{
		PGConnectionPoolDataSource source = new PGConnectionPoolDataSource();

		source.setUrl(url);
		source.setUser("shop_app");
		check("pool", () -> {
			PooledConnection one = source.getPooledConnection();
			Check borrow = () -> {
				try (Connection c = one.getConnection())
				{
					column(c, IDS);
				}
			};

			try (Connection c = one.getConnection())
			{
				same(Purpose.of("service", c, k -> column(k, IDS)), SERVICE);
			}
			raises("42501", borrow);
			try (Connection c = one.getConnection())
			{
				// goes back in the middle of a transaction
				c.setAutoCommit(false);
				column(c, "SELECT personalize.set_purpose('service')");
			}
			raises("42501", borrow);
			raises("22012", () -> {
				try (Connection c = one.getConnection())
				{
					Purpose.of("service", c, k -> column(k, "SELECT 1 / 0"));
				}
			});
			raises("42501", borrow);
			one.close();
		});
		check("pool_session", () -> {
			PooledConnection one = source.getPooledConnection();

			try (Connection c = one.getConnection())
			{
				raises("42501", () -> c.createStatement().execute("SET personalize.purpose = 'service'"));
				column(c, "SELECT set_config('personalize.purpose', 'service', false)");
			}
			raises("42501", () -> {
				try (Connection c = one.getConnection())
				{
					column(c, IDS);
				}
			});
			one.close();
		});
		check("error", () -> {
			SQLException e = raises("42501", () -> column(c, IDS));

			same(((PSQLException) e).getServerErrorMessage().getHint().startsWith(HINT), true);
			raises("42501", () -> Purpose.of("service", connect("shop_idle"), c -> column(c, IDS)));
		});
	}

	public static void main(String[] args) throws Exception
	{
		url = args[0];
		c = connect("shop_app");
		TestJdbc test = new TestJdbc();
		test.reading();
		test.writing();
		test.types();
		test.pooling();
	}
}
