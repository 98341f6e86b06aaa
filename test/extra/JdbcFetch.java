// Statements by the extended protocol of another client: partial fetches, portals side by side, rollback, cancel, generic
// plans, batches, and a client that is gone.  Prints "tag id" for each row that it got.  For test/extra/jdbc.sh.
import java.sql.*;
import java.util.*;

public class JdbcFetch
{
	static Connection open(String url) throws SQLException
	{
		Connection c = DriverManager.getConnection(url, "app", "");

		c.setAutoCommit(false);
		return c;
	}

	static void state(Connection c, String tag) throws SQLException
	{
		try (Statement s = c.createStatement())
		{
			s.execute("SET LOCAL personalize.purpose = 'ads'");
			s.execute("SET LOCAL personalize.context = '" + tag + "'");
		}
	}

	// At most n rows, two at a time.
	static ResultSet some(PreparedStatement s, String tag, int n) throws SQLException
	{
		s.setFetchSize(2);
		ResultSet r = s.executeQuery();

		for (int i = 0; i < n && r.next(); i++)
			System.out.println(tag + " " + r.getInt(1));
		return r;
	}

	public static void main(String[] args) throws Exception
	{
		String url = args[0];
		String all = "SELECT id, name FROM customer ORDER BY id";

		try (Connection c = open(url))
		{
			state(c, "whole");
			some(c.prepareStatement(all), "whole", 100);
			c.commit();

			state(c, "part");
			some(c.prepareStatement(all), "part", 3).close();
			c.commit();

			state(c, "rolled back");
			some(c.prepareStatement(all), "rolledback", 3);
			c.rollback();

			state(c, "side by side");
			PreparedStatement one = c.prepareStatement(all), two = c.prepareStatement("SELECT id FROM customer WHERE id > 3 ORDER BY id DESC");
			ResultSet a = some(one, "sidebyside", 1), b = some(two, "sidebyside", 1);
			while (a.next())
				System.out.println("sidebyside " + a.getInt(1));
			if (b.next())
				System.out.println("sidebyside " + b.getInt(1));
			c.commit();

			// the driver prepares it by name at the fifth time, the server plans it generically after five more
			PreparedStatement p = c.prepareStatement("SELECT id, name FROM customer WHERE id = ?");
			for (int i = 1; i <= 20; i++)
			{
				state(c, "generic" + i);
				p.setInt(1, 1 + i % 6);
				some(p, "generic" + i, 9).close();
				c.commit();
			}

			state(c, "cancelled");
			PreparedStatement slow = c.prepareStatement("SELECT id, CASE WHEN id > 4 THEN pg_advisory_xact_lock(1) END::text FROM customer ORDER BY id");
			Connection other = open(url);
			Statement lock = other.createStatement();
			lock.execute("SELECT pg_advisory_lock(1)");
			Thread canceller = new Thread(() -> {
				try
				{
					ResultSet done;

					do
						done = lock.executeQuery("SELECT pg_cancel_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
					while (!done.next());
				}
				catch (SQLException e)
				{
				}
			});
			canceller.start();
			try
			{
				some(slow, "cancelled", 100);
			}
			catch (SQLException e)
			{
				System.err.println("cancelled: " + e.getSQLState());
			}
			canceller.join();
			other.close();
			c.rollback();

			state(c, "batch");
			PreparedStatement u = c.prepareStatement("UPDATE customer SET name = ? WHERE id = ?", new String[] {"id"});
			for (int i = 1; i <= 4; i++)
			{
				u.setString(1, "new" + i);
				u.setInt(2, i);
				u.addBatch();
			}
			u.executeBatch();
			ResultSet k = u.getGeneratedKeys();
			while (k.next())
				System.out.println("batch " + k.getInt("id"));
			c.commit();
		}

		Connection gone = open(url);
		state(gone, "gone");
		some(gone.prepareStatement(all), "gone", 3);
		System.out.flush();
		Runtime.getRuntime().halt(0);
	}
}
